#include "io/record_frames.hpp"

#include <cstdint>

#include "io/crc32c.hpp"

namespace lorry::io {

namespace {

constexpr std::size_t kFrameLengthBytes = 8;
constexpr std::size_t kCheckBytes = 4;
constexpr std::size_t kHeadBytes = kFrameLengthBytes + kCheckBytes;

void put_little(std::string& out, std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) out += static_cast<char>((value >> (8 * i)) & 0xFFU);
}

std::uint64_t get_little(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) value = (value << 8U) | static_cast<unsigned char>(bytes[i]);
  return value;
}

}  // namespace

std::string record_frame(std::string_view content) {
  std::string frame;
  frame.reserve(kHeadBytes + content.size() + kCheckBytes);
  put_little(frame, content.size(), kFrameLengthBytes);
  put_little(frame, masked_crc32c(frame), kCheckBytes);
  frame += content;
  put_little(frame, masked_crc32c(content), kCheckBytes);
  return frame;
}

std::optional<std::string_view> RecordFrames::next() {
  const std::string_view rest = bytes_.substr(position_);
  if (rest.size() < kHeadBytes + kCheckBytes) return std::nullopt;
  const std::string_view length_bytes = rest.substr(0, kFrameLengthBytes);
  if (get_little(rest.substr(kFrameLengthBytes, kCheckBytes)) != masked_crc32c(length_bytes))
    return std::nullopt;
  const std::uint64_t length = get_little(length_bytes);
  if (length > rest.size() - kHeadBytes - kCheckBytes) return std::nullopt;
  const std::string_view content = rest.substr(kHeadBytes, length);
  if (get_little(rest.substr(kHeadBytes + length, kCheckBytes)) != masked_crc32c(content))
    return std::nullopt;
  position_ += kHeadBytes + length + kCheckBytes;
  return content;
}

}  // namespace lorry::io
