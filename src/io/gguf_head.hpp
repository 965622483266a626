// io/gguf_head.hpp: the head of a GGUF file taken apart, for gguf.cpp alone.
#pragma once
#include <string>
#include <vector>

#include "io/gguf.hpp"

namespace lorry::io {

struct GgufHead {
  struct Entry {
    std::string name;
    const GgmlType* type;
    std::vector<Index> shape;  // row-major
    Index bytes;
    std::uint64_t offset;  // in the data
  };
  std::map<std::string, GgufValue, std::less<>> values;
  std::vector<Entry> tensors;
  Index length = 0;  // of the head itself
};

/// `file` names it in messages. Checks everything but the tensors' places. Throws Error.
GgufHead parse_gguf_head(std::span<const std::byte> bytes, const std::string& file);

}  // namespace lorry::io
