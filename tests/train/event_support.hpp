// tests/train/event_support.hpp: event files taken apart by a reader of their own, which shares nothing with
// the code that writes them: frames, checksums bit by bit, protocol buffers.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/io_support.hpp"

namespace lorry::train {

struct ReadEvent {
  double time = 0;
  std::int64_t step = 0;
  std::string version, writer;
  bool restart = false;
  std::vector<std::pair<std::string, float>> scalars;
  std::vector<std::pair<std::string, std::string>> texts;
};

namespace reading {

inline std::uint64_t little(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    value += std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  }
  return value;
}

/// Bit by bit, by the polynomial 0x1EDC6F41 read backwards.
inline std::uint32_t masked_checksum(std::string_view bytes) {
  std::uint32_t crc = 0xFFFFFFFF;
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc % 2 == 1) ? (crc / 2) ^ 0x82F63B78 : crc / 2;
  }
  crc = ~crc;
  return ((crc << 17) | (crc >> 15)) + 0xA282EAD8;
}

struct Field {
  std::uint64_t number = 0;
  std::uint64_t value = 0;  // of a number
  std::string_view bytes;   // else
};

inline std::uint64_t take_varint(std::string_view& bytes) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; !bytes.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    value += std::uint64_t{byte % 128U} << shift;
    if (byte < 128) return value;
  }
  ADD_FAILURE() << "a number that does not end";
  return 0;
}

inline std::vector<Field> fields(std::string_view bytes) {
  std::vector<Field> all;
  while (!bytes.empty()) {
    const std::uint64_t key = take_varint(bytes);
    Field field{.number = key / 8, .bytes = {}};
    std::size_t length = 0;
    switch (key % 8) {
      case 0:
        field.value = take_varint(bytes);
        break;
      case 1:
        length = 8;
        break;
      case 2:
        length = take_varint(bytes);
        break;
      case 5:
        length = 4;
        break;
      default:
        ADD_FAILURE() << "wire type " << key % 8;
        return all;
    }
    EXPECT_LE(length, bytes.size());
    field.bytes = bytes.substr(0, length);
    bytes.remove_prefix(std::min(length, bytes.size()));
    all.push_back(field);
  }
  return all;
}

inline void read_value(std::string_view bytes, ReadEvent& event) {
  std::string tag, text;
  float number = 0;
  bool is_text = false;
  for (const Field& field : fields(bytes)) {
    if (field.number == 1) tag = field.bytes;
    if (field.number == 2) std::memcpy(&number, field.bytes.data(), sizeof(number));
    if (field.number != 8) continue;
    is_text = true;
    for (const Field& part : fields(field.bytes)) {
      if (part.number == 8) text = part.bytes;
    }
  }
  if (is_text) {
    event.texts.emplace_back(tag, text);
  } else {
    event.scalars.emplace_back(tag, number);
  }
}

inline ReadEvent read_event_bytes(std::string_view bytes) {
  ReadEvent event;
  for (const Field& field : fields(bytes)) {
    if (field.number == 1) std::memcpy(&event.time, field.bytes.data(), sizeof(event.time));
    if (field.number == 2) event.step = static_cast<std::int64_t>(field.value);
    if (field.number == 3) event.version = field.bytes;
    if (field.number == 7) event.restart = true;
    if (field.number == 10) event.writer = fields(field.bytes).at(0).bytes;
    if (field.number != 5) continue;
    for (const Field& value : fields(field.bytes)) read_value(value.bytes, event);
  }
  return event;
}

}  // namespace reading

/// Fails where a frame is not whole or a checksum does not fit.
inline std::vector<ReadEvent> read_event_file(const std::filesystem::path& path) {
  std::vector<ReadEvent> events;
  const std::string bytes = io::get(path);
  std::string_view rest = bytes;
  while (!rest.empty()) {
    if (rest.size() < 16) {
      ADD_FAILURE() << path << ": " << rest.size() << " bytes behind the last frame";
      return events;
    }
    const std::uint64_t length = reading::little(rest.substr(0, 8));
    EXPECT_EQ(reading::little(rest.substr(8, 4)), reading::masked_checksum(rest.substr(0, 8)));
    if (length > rest.size() - 16) {
      ADD_FAILURE() << path << ": a frame of " << length << " bytes is cut short";
      return events;
    }
    EXPECT_EQ(reading::little(rest.substr(12 + length, 4)),
              reading::masked_checksum(rest.substr(12, length)));
    events.push_back(reading::read_event_bytes(rest.substr(12, length)));
    rest.remove_prefix(16 + length);
  }
  return events;
}

/// Sorted as TensorBoard reads them.
inline std::vector<std::filesystem::path> event_files_in(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

/// Points of every curve of all files of a folder, in the order in which they are read.
inline std::map<std::string, std::vector<std::pair<std::int64_t, float>>> curves_in(
    const std::filesystem::path& folder) {
  std::map<std::string, std::vector<std::pair<std::int64_t, float>>> curves;
  for (const std::filesystem::path& file : event_files_in(folder)) {
    for (const ReadEvent& event : read_event_file(file)) {
      for (const auto& [tag, value] : event.scalars) curves[tag].emplace_back(event.step, value);
    }
  }
  return curves;
}

}  // namespace lorry::train
