#include "io/safetensors_writer.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "core/check.hpp"
#include "core/error.hpp"
#include "io/json_file.hpp"
#include "io/safetensors_header.hpp"

namespace lorry::io {

namespace {

/// The safetensors library puts high ranks first, so that each tensor is aligned by what precedes it.
int rank_of(DType dtype) {
  switch (dtype) {
    case DType::kI64:
      return 9;
    case DType::kF64:
      return 8;
    case DType::kF32:
      return 7;
    case DType::kI32:
      return 6;
    case DType::kBF16:
      return 5;
    case DType::kF16:
      return 4;
    case DType::kI16:
      return 3;
    case DType::kI8:
      return 2;
    case DType::kU8:
      return 1;
    case DType::kBool:
      return 0;
  }
  return 0;
}

std::string length_prefix(std::size_t length) {
  std::string bytes;
  for (int shift = 0; shift < 64; shift += 8) {
    bytes += static_cast<char>(static_cast<std::uint64_t>(length) >> shift & 0xffU);
  }
  return bytes;
}

}  // namespace

SafetensorsWriter::SafetensorsWriter(std::filesystem::path path, std::vector<TensorSpec> tensors,
                                     const std::map<std::string, std::string>& metadata)
    : tensors_(std::move(tensors)), file_(std::move(path)) {
  std::sort(tensors_.begin(), tensors_.end(), [](const TensorSpec& a, const TensorSpec& b) {
    const int rank_a = rank_of(a.dtype);
    const int rank_b = rank_of(b.dtype);
    return rank_a != rank_b ? rank_a > rank_b : a.name < b.name;
  });
  lay_out(metadata);
}

void SafetensorsWriter::lay_out(const std::map<std::string, std::string>& metadata) {
  const std::string file = file_.target().string();
  OrderedJson fields = OrderedJson::object();
  if (!metadata.empty()) fields[std::string(kMetadataKey)] = metadata;
  for (const TensorSpec& tensor : tensors_) {
    const auto bytes = byte_size(tensor.dtype, tensor.shape);
    Index end = 0;
    if (!bytes || __builtin_add_overflow(data_bytes_, *bytes, &end)) {
      throw Error("[write] {}: tensor {}: too large for a file", file, tensor.name);
    }
    const bool added = file_.add(tensor.name, data_bytes_, *bytes);
    LORRY_CHECK(added && tensor.name != kMetadataKey);
    fields[tensor.name] = {
        {"dtype", name_of(tensor.dtype)}, {"shape", tensor.shape}, {"data_offsets", {data_bytes_, end}}};
    data_bytes_ = end;
  }
  std::string text;
  try {
    text = fields.dump();
  } catch (const OrderedJson::type_error&) {
    throw Error("[write] {}: found a name that is not UTF-8; expected UTF-8", file);
  }
  text.append((8 - text.size() % 8) % 8, ' ');
  if (static_cast<Index>(text.size()) > kMaxHeaderBytes) {
    throw Error("[write] {}: header length: found {}; expected at most {}", file, text.size(),
                kMaxHeaderBytes);
  }
  const std::string header = length_prefix(text.size()) + text;
  const auto data_begin = static_cast<Index>(header.size());
  file_.begin(header, data_begin, data_begin + data_bytes_);
}

}  // namespace lorry::io
