// io/gguf_head.hpp: the head of a GGUF file taken apart, for gguf.cpp and gguf_writer.cpp alone.
#pragma once
#include <string>
#include <vector>

#include "io/gguf.hpp"

namespace lorry::io {

constexpr std::uint32_t kGgufMagic = 0x46554747;  // "GGUF"
constexpr std::size_t kGgufDimensions = 4;        // of a tensor at most: GGML_MAX_DIMS

/// Of values, as the file numbers them.
struct GgufKinds {
  enum Number : std::uint32_t {
    kU8,
    kI8,
    kU16,
    kI16,
    kU32,
    kI32,
    kF32,
    kBool,
    kString,
    kArray,
    kU64,
    kI64,
    kF64,
    kCount
  };
};

struct GgufHead {
  struct Entry {
    std::string name;
    const GgmlType* type;
    std::vector<Index> shape;  // row-major
    Index bytes;
    std::uint64_t offset;  // in the data
  };
  std::map<std::string, GgufValue, std::less<>> values;
  std::vector<GgufPair> pairs;  // borrow from the bytes
  std::vector<Entry> tensors;
  Index length = 0;  // of the head itself
};

/// `file` names it in messages. Checks everything but the tensors' places. Throws Error.
GgufHead parse_gguf_head(std::span<const std::byte> bytes, const std::string& file);

/// Of every tensor's first byte. Throws Error where the file says what is none.
Index gguf_alignment(const GgufMetadata& metadata);

/// The first multiple of `alignment` from `position` on; both far from the largest Index.
constexpr Index aligned(Index position, Index alignment) noexcept {
  return (position + alignment - 1) / alignment * alignment;
}

}  // namespace lorry::io
