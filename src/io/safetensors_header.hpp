// io/safetensors_header.hpp: the JSON header of a safetensors file, read without trust. For safetensors.cpp
// only.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/index.hpp"
#include "tensor/dtype.hpp"

namespace lorry::io {

inline constexpr Index kMaxHeaderBytes = 100'000'000;  // the limit of the safetensors library
inline constexpr std::string_view kMetadataKey = "__metadata__";

struct SafetensorsHeader {
  struct Entry {
    std::string name;
    DType dtype = DType::kF32;
    std::vector<Index> shape;  // no entry is negative
    Index begin = 0;           // byte offsets into the data behind the header, 0 <= begin <= end
    Index end = 0;
  };
  std::vector<Entry> tensors;  // in the order of the header
  std::map<std::string, std::string> metadata;
};

/// Bytes of a tensor; empty if that exceeds Index or a dimension is negative.
std::optional<Index> byte_size(DType dtype, const std::vector<Index>& shape);

/// Parses `text` as an event stream: no document is built, so a hostile header costs a small multiple of its
/// length. Throws Error, naming `file` and the tensor, for malformed JSON, anything but the fields of the
/// format, a key that comes twice, an unknown type, and integers that are negative or too large. Does not
/// know the length of the data.
SafetensorsHeader parse_safetensors_header(std::string_view text, const std::string& file);

}  // namespace lorry::io
