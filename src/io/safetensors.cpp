#include "io/safetensors.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "core/check.hpp"
#include "core/error.hpp"
#include "io/message_text.hpp"
#include "io/safetensors_header.hpp"

namespace lorry::io {

namespace {

constexpr Index kLengthBytes = 8;  // the header's length, a little-endian 64-bit integer before it

Index read_header_length(std::span<const std::byte> bytes, const std::string& file) {
  const auto size = static_cast<Index>(bytes.size());
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with("version https://git-lfs")) {
    throw Error("[load] {}: found a Git LFS pointer; expected the file itself (fetch it: git lfs pull)",
                file);
  }
  if (size < kLengthBytes) {
    throw Error("[load] {}: found {} bytes; expected a safetensors file, which has at least {}", file, size,
                kLengthBytes);
  }
  std::uint64_t length = 0;
  for (Index i = kLengthBytes - 1; i >= 0; --i) {
    length = length << 8 | std::to_integer<std::uint64_t>(bytes[static_cast<std::size_t>(i)]);
  }
  if (length > static_cast<std::uint64_t>(kMaxHeaderBytes)) {
    throw Error("[load] {}: header length: found {}; expected at most {} (is this a safetensors file?)", file,
                length, kMaxHeaderBytes);
  }
  const auto header = static_cast<Index>(length);
  if (header > size - kLengthBytes) {
    throw Error("[load] {}: header length: found {} in a file of {} bytes; perhaps an incomplete download",
                file, header, size);
  }
  return header;
}

using Entry = SafetensorsHeader::Entry;

/// `entries` are sorted by begin; `data` is the length behind the header.
void check_layout(const std::vector<Entry>& entries, Index data, const std::string& file) {
  Index filled = 0;
  for (const Entry& entry : entries) {
    const std::string where = fmt::format("{}: tensor {}", file, in_quotes(entry.name));
    const auto bytes = byte_size(entry.dtype, entry.shape);
    if (!bytes) {
      throw Error("[load] {}: shape: found [{}]; expected a product that fits in 63 bits", where,
                  fmt::join(entry.shape, ", "));
    }
    if (*bytes != entry.end - entry.begin) {
      throw Error("[load] {}: data_offsets: found {} bytes; expected {} for {} [{}]", where,
                  entry.end - entry.begin, *bytes, name_of(entry.dtype), fmt::join(entry.shape, ", "));
    }
    if (entry.begin != filled) {
      throw Error(
          "[load] {}: data_offsets: found the beginning {}; expected {}, where the tensor before it ends "
          "({})",
          where, entry.begin, filled, entry.begin < filled ? "they overlap" : "a hole");
    }
    if (entry.end > data) {
      throw Error(
          "[load] {}: data_offsets: found the end {} in {} bytes of data; perhaps an incomplete download",
          where, entry.end, data);
    }
    filled = entry.end;
  }
  if (filled != data) {
    throw Error("[load] {}: found {} bytes behind the last tensor; expected none", file, data - filled);
  }
}

}  // namespace

Index TensorView::elements() const noexcept {
  return static_cast<Index>(bytes.size()) / size_of(dtype);
}

bool TensorView::aligned() const noexcept {
  return reinterpret_cast<std::uintptr_t>(bytes.data()) % static_cast<std::uintptr_t>(size_of(dtype)) == 0;
}

SafetensorsFile::SafetensorsFile(std::filesystem::path path)
    : file_(std::make_shared<const MappedFile>(std::move(path))) {
  const std::string name = file_->path().string();
  const auto bytes = file_->bytes();
  const auto length = static_cast<std::size_t>(read_header_length(bytes, name));
  const auto text = bytes.subspan(kLengthBytes, length);
  const auto data = bytes.subspan(kLengthBytes + length);
  SafetensorsHeader header =
      parse_safetensors_header({reinterpret_cast<const char*>(text.data()), text.size()}, name);
  // By end too: an empty tensor may stand before, but not behind, a filled one of the same beginning.
  std::stable_sort(header.tensors.begin(), header.tensors.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  check_layout(header.tensors, static_cast<Index>(data.size()), name);
  metadata_ = std::move(header.metadata);
  tensors_.reserve(header.tensors.size());
  for (Entry& entry : header.tensors) {
    by_name_.emplace(entry.name, static_cast<Index>(tensors_.size()));
    const auto part = data.subspan(static_cast<std::size_t>(entry.begin),
                                   static_cast<std::size_t>(entry.end - entry.begin));
    tensors_.push_back({std::move(entry.name), entry.dtype, std::move(entry.shape), part});
  }
}

const TensorView* SafetensorsFile::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &tensors_[static_cast<std::size_t>(found->second)];
}

const TensorView& SafetensorsFile::at(std::string_view name) const {
  if (const TensorView* tensor = find(name)) return *tensor;
  throw Error("[load] {}: tensor {}: missing", path().string(), in_quotes(name));
}

}  // namespace lorry::io
