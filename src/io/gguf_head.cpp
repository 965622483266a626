// No length, count or type of the file is used before it is known to fit what is left of it.
#include "io/gguf_head.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <set>

#include "core/error.hpp"
#include "io/message_text.hpp"

namespace lorry::io {

namespace {

// The fewest bytes of an entry: a name's length and, for a tensor, dimensions (one), type and offset.
constexpr std::uint64_t kLeastValue = 8 + 4 + 1;
constexpr std::uint64_t kLeastTensor = 8 + 4 + 8 + 4 + 8;

/// Bytes of one; of a string at least.
constexpr std::array<std::uint64_t, GgufKinds::kCount> kGgufSizes = {1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8};

class HeadReader {
 public:
  HeadReader(std::span<const std::byte> bytes, const std::string& file) : bytes_(bytes), file_(file) {}

  GgufHead read() {
    read_version();
    const std::uint64_t tensors = count("tensors", kLeastTensor);
    const std::uint64_t values = count("keys", kLeastValue);
    GgufHead head;
    for (std::uint64_t i = 0; i < values; ++i) read_pair(head);
    head.tensors.reserve(tensors);
    std::set<std::string_view> names;
    for (std::uint64_t i = 0; i < tensors; ++i) {
      head.tensors.push_back(read_tensor());
      if (!names.insert(head.tensors.back().name).second) fail("found twice", "every name once");
    }
    head.length = static_cast<Index>(at_);
    return head;
  }

 private:
  [[nodiscard]] std::uint64_t left() const { return bytes_.size() - at_; }

  [[noreturn]] void fail(std::string_view found, std::string_view expected) const {
    throw Error("[load] {}: {}: {}; expected {}", file_, place_, found, expected);
  }

  [[noreturn]] void fail_short() const {
    throw Error("[load] {}: {}: the file ends there, after {} bytes; perhaps an incomplete download", file_,
                place_, bytes_.size());
  }

  template <class T>
  T number() {
    if (left() < sizeof(T)) fail_short();
    T value;
    std::memcpy(&value, bytes_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }

  std::string string() {
    const auto length = number<std::uint64_t>();
    if (length > left()) {
      fail(fmt::format("found a text of {} bytes in {} that are left", length, left()),
           "one that the file holds; perhaps an incomplete download");
    }
    std::string text(reinterpret_cast<const char*>(bytes_.data()) + at_, length);
    at_ += length;
    return text;
  }

  void read_version() {
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data()), bytes_.size());
    if (text.starts_with("version https://git-lfs")) {
      throw Error("[load] {}: found a Git LFS pointer; expected the file itself (fetch it: git lfs pull)",
                  file_);
    }
    place_ = "head";
    if (number<std::uint32_t>() != kGgufMagic) fail("found no GGUF file", "one that begins with \"GGUF\"");
    const auto version = number<std::uint32_t>();
    if (version == 2 || version == 3) return;
    if ((version & 0xFFFF) == 0 && version != 0) {
      fail("found a big-endian file", "a little-endian one (llama.cpp: gguf-py, gguf_convert_endian.py)");
    }
    fail(fmt::format("found version {}", version), "2 or 3");
  }

  std::uint64_t count(const char* what, std::uint64_t least) {
    place_ = fmt::format("number of {}", what);
    const auto found = number<std::uint64_t>();
    if (found > left() / least) {
      fail(fmt::format("found {} in a file of {} bytes", found, bytes_.size()), "as many as it can hold");
    }
    return found;
  }

  void read_pair(GgufHead& head) {
    place_ = fmt::format("key {}", head.values.size() + 1);
    std::string key = string();
    place_ = fmt::format("key {}", in_quotes(key));
    const std::size_t begin = at_;
    const auto type = number<std::uint32_t>();
    GgufValue value = type == GgufKinds::kArray ? array() : scalar(type);
    const std::string_view written(reinterpret_cast<const char*>(bytes_.data()) + begin - key.size(),
                                   key.size());
    head.pairs.push_back({written, bytes_.subspan(begin, at_ - begin)});
    if (!head.values.emplace(std::move(key), std::move(value)).second) {
      fail("found twice", "every key once");
    }
  }

  [[nodiscard]] static Index from_unsigned(std::uint64_t value) {
    constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<Index>::max());
    return static_cast<Index>(std::min(value, kMost));
  }

  Index integer(std::uint32_t type) {
    switch (type) {
      case GgufKinds::kU8:
        return number<std::uint8_t>();
      case GgufKinds::kI8:
        return number<std::int8_t>();
      case GgufKinds::kU16:
        return number<std::uint16_t>();
      case GgufKinds::kI16:
        return number<std::int16_t>();
      case GgufKinds::kU32:
        return number<std::uint32_t>();
      case GgufKinds::kI32:
        return number<std::int32_t>();
      case GgufKinds::kU64:
        return from_unsigned(number<std::uint64_t>());
      case GgufKinds::kI64:
        return number<std::int64_t>();
      default:  // booleans
        return number<std::uint8_t>() != 0 ? 1 : 0;
    }
  }

  double real(std::uint32_t type) {
    return type == GgufKinds::kF32 ? static_cast<double>(number<float>()) : number<double>();
  }

  GgufValue scalar(std::uint32_t type) {
    if (type >= GgufKinds::kCount) fail(fmt::format("found type {}", type), "0 to 12");
    if (type == GgufKinds::kString) return string();
    if (type == GgufKinds::kF32 || type == GgufKinds::kF64) return real(type);
    if (type == GgufKinds::kBool) return integer(type) != 0;
    return integer(type);
  }

  GgufValue array() {
    const auto type = number<std::uint32_t>();
    if (type >= GgufKinds::kCount) fail(fmt::format("found a list of type {}", type), "0 to 12");
    if (type == GgufKinds::kArray) fail("found a list of lists", "one of numbers or texts");
    const auto length = number<std::uint64_t>();
    if (length > left() / kGgufSizes[type]) {
      fail(fmt::format("found a list of {} in {} bytes that are left", length, left()),
           "one that the file holds; perhaps an incomplete download");
    }
    const auto list = [&](auto read) {
      std::vector<decltype(read())> values;
      values.reserve(length);
      for (std::uint64_t i = 0; i < length; ++i) values.push_back(read());
      return values;
    };
    if (type == GgufKinds::kString) return list([&] { return string(); });
    if (type == GgufKinds::kF32 || type == GgufKinds::kF64) return list([&] { return real(type); });
    return list([&] { return integer(type); });
  }

  GgufHead::Entry read_tensor() {
    place_ = "list of tensors";
    GgufHead::Entry entry{.name = string(), .type = nullptr, .shape = {}, .bytes = 0, .offset = 0};
    place_ = fmt::format("tensor {}", in_quotes(entry.name));
    const auto dimensions = number<std::uint32_t>();
    if (dimensions < 1 || dimensions > kGgufDimensions) {
      fail(fmt::format("found {} dimensions", dimensions), "1 to 4");
    }
    for (std::uint32_t i = 0; i < dimensions; ++i) {
      entry.shape.insert(entry.shape.begin(), from_unsigned(number<std::uint64_t>()));
    }
    const auto type = number<std::uint32_t>();
    entry.type = find_ggml_type(type);
    if (entry.type == nullptr) fail(fmt::format("found type {}", type), "one that ggml has");
    entry.offset = number<std::uint64_t>();
    entry.bytes = bytes_of(entry.shape, *entry.type);
    return entry;
  }

  [[nodiscard]] Index bytes_of(const std::vector<Index>& shape, const GgmlType& type) const {
    if (shape.back() % type.elements != 0) {
      fail(fmt::format("found rows of {}", shape.back()),
           fmt::format("whole blocks of {} ({})", type.elements, type.name));
    }
    const std::optional<Index> bytes = ggml_bytes(type, shape);
    if (!bytes) {
      fail(fmt::format("found sizes [{}]", fmt::join(shape.rbegin(), shape.rend(), ", ")),
           "each at least 1, with a product that fits in 63 bits");
    }
    return *bytes;
  }

  std::span<const std::byte> bytes_;
  const std::string& file_;
  std::string place_;
  std::size_t at_ = 0;
};

}  // namespace

GgufHead parse_gguf_head(std::span<const std::byte> bytes, const std::string& file) {
  return HeadReader(bytes, file).read();
}

}  // namespace lorry::io
