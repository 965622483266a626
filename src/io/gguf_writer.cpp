#include "io/gguf_writer.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/check.hpp"
#include "core/error.hpp"
#include "io/gguf_head.hpp"
#include "io/message_text.hpp"

namespace lorry::io {

namespace {

constexpr std::uint32_t kGgufVersion = 3;
constexpr std::size_t kLongestTensorName = 63;  // GGML_MAX_NAME, less the zero at its end

/// Little endian, as every machine is that this program runs on.
template <class T>
std::string number_bytes(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

std::string text_bytes(std::string_view text) {
  return number_bytes(static_cast<std::uint64_t>(text.size())).append(text);
}

std::string head_bytes(Index tensors, const GgufPairs& pairs) {
  std::string bytes = number_bytes(kGgufMagic) + number_bytes(kGgufVersion);
  bytes += number_bytes(static_cast<std::uint64_t>(tensors));
  bytes += number_bytes(static_cast<std::uint64_t>(pairs.count()));
  return bytes + pairs.bytes();
}

/// Read back, so that it means the same to the writer as to every reader.
Index alignment_in(const GgufPairs& pairs, const std::string& file) {
  const std::string bytes = head_bytes(0, pairs);
  GgufHead head = parse_gguf_head(std::as_bytes(std::span(bytes)), file);
  return gguf_alignment(GgufMetadata(file, std::move(head.values)));
}

}  // namespace

void GgufPairs::put(std::string_view key, std::string value) {
  const auto found =
      std::find_if(pairs_.begin(), pairs_.end(), [&](const Pair& pair) { return pair.key == key; });
  if (found != pairs_.end()) {
    found->value = std::move(value);
  } else {
    pairs_.push_back({std::string(key), std::move(value)});
  }
}

void GgufPairs::copy(const GgufPair& pair) {
  put(pair.key, {reinterpret_cast<const char*>(pair.value.data()), pair.value.size()});
}

void GgufPairs::put_string(std::string_view key, std::string_view value) {
  put(key, number_bytes(GgufKinds::kString) + text_bytes(value));
}

void GgufPairs::put_u32(std::string_view key, std::uint32_t value) {
  put(key, number_bytes(GgufKinds::kU32) + number_bytes(value));
}

void GgufPairs::put_f32(std::string_view key, float value) {
  put(key, number_bytes(GgufKinds::kF32) + number_bytes(value));
}

void GgufPairs::remove(std::string_view key) {
  std::erase_if(pairs_, [&](const Pair& pair) { return pair.key == key; });
}

std::string GgufPairs::bytes() const {
  std::string bytes;
  for (const Pair& pair : pairs_) bytes += text_bytes(pair.key) + pair.value;
  return bytes;
}

GgufWriter::GgufWriter(std::filesystem::path path, const GgufPairs& pairs,
                       std::vector<GgufTensorSpec> tensors)
    : tensors_(std::move(tensors)), file_(std::move(path)) {
  lay_out(pairs);
}

void GgufWriter::lay_out(const GgufPairs& pairs) {
  const std::string file = file_.target().string();
  const Index alignment = alignment_in(pairs, file);
  std::string head = head_bytes(static_cast<Index>(tensors_.size()), pairs);
  for (const GgufTensorSpec& tensor : tensors_) {
    const Index offset = add_part(tensor, alignment);
    head += text_bytes(tensor.name) + number_bytes(static_cast<std::uint32_t>(tensor.shape.size()));
    for (auto size = tensor.shape.rbegin(); size != tensor.shape.rend(); ++size) {
      head += number_bytes(static_cast<std::uint64_t>(*size));
    }
    head += number_bytes(tensor.type->number) + number_bytes(static_cast<std::uint64_t>(offset));
  }
  const Index data_begin = aligned(static_cast<Index>(head.size()), alignment);
  if (__builtin_add_overflow(data_begin, data_bytes_, &file_bytes_)) {
    throw Error("[write] {}: found {} bytes of tensors; expected as many as a file can have", file,
                data_bytes_);
  }
  file_.begin(head, data_begin, file_bytes_);
}

Index GgufWriter::add_part(const GgufTensorSpec& tensor, Index alignment) {
  const auto fail = [&](std::string_view found, std::string_view expected) {
    throw Error("[write] {}: tensor {}: found {}; expected {}", file_.target().string(),
                in_quotes(tensor.name), found, expected);
  };
  LORRY_CHECK(tensor.type != nullptr && !tensor.shape.empty() && tensor.shape.size() <= kGgufDimensions);
  LORRY_CHECK_EQ(tensor.shape.back() % tensor.type->elements, 0);
  LORRY_CHECK(*std::min_element(tensor.shape.begin(), tensor.shape.end()) >= 1);
  if (tensor.name.size() > kLongestTensorName) {
    fail(fmt::format("a name of {} bytes", tensor.name.size()),
         fmt::format("at most {}", kLongestTensorName));
  }
  const std::optional<Index> bytes = ggml_bytes(*tensor.type, tensor.shape);
  Index end = 0;
  if (!bytes || __builtin_add_overflow(data_bytes_, *bytes, &end) ||
      end > std::numeric_limits<Index>::max() - alignment) {
    fail("more bytes than a file can have", "fewer");
  }
  const bool added = file_.add(tensor.name, data_bytes_, *bytes);
  LORRY_CHECK(added);
  return std::exchange(data_bytes_, aligned(end, alignment));
}

}  // namespace lorry::io
