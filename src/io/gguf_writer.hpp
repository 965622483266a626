// io/gguf_writer.hpp: writes a GGUF file (version 3) tensor by tensor, so that a large model never sits in
// memory.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/index.hpp"
#include "io/gguf.hpp"
#include "io/tensor_parts.hpp"

namespace lorry::io {

/// The keys and values of a file to come, in their order. A key that is there already keeps its place and
/// gets the new value.
class GgufPairs {
 public:
  /// Takes what a file holds as it is, type and bytes: every kind of value, lists included.
  void copy(const GgufPair& pair);
  void put_string(std::string_view key, std::string_view value);
  void put_u32(std::string_view key, std::uint32_t value);
  void put_f32(std::string_view key, float value);
  /// Nothing happens where the key is absent.
  void remove(std::string_view key);

  [[nodiscard]] Index count() const noexcept { return static_cast<Index>(pairs_.size()); }
  /// As the file holds them, one behind the other.
  [[nodiscard]] std::string bytes() const;

 private:
  struct Pair {
    std::string key;
    std::string value;  // the number of its type first
  };
  void put(std::string_view key, std::string value);

  std::vector<Pair> pairs_;
};

/// What the head says about a tensor to come.
struct GgufTensorSpec {
  std::string name;
  const GgmlType* type = nullptr;
  std::vector<Index> shape;  // row-major
};

/// All keys and tensors are declared first, then the tensors' bytes follow in any order, whole or in chunks;
/// finish() makes the file appear. Destroyed before that, nothing is left. Laid out as the gguf package does:
/// keys and tensors in the order given, every tensor (and the end) padded to general.alignment, 32 where no
/// key of that name says otherwise.
class GgufWriter {
 public:
  /// Claims the disk space at once. Throws Error as AtomicFile does, for an alignment that is none, for a
  /// tensor name of more than 63 bytes (llama.cpp refuses those), and for sizes beyond the largest file. Two
  /// tensors of one name and a shape that is not one to four sizes of whole blocks are a caller's bug.
  GgufWriter(std::filesystem::path path, const GgufPairs& pairs, std::vector<GgufTensorSpec> tensors);

  /// In the order of the file; writing in this order is fastest.
  [[nodiscard]] const std::vector<GgufTensorSpec>& tensors() const noexcept { return tensors_; }
  /// Of the whole file.
  [[nodiscard]] Index file_bytes() const noexcept { return file_bytes_; }

  /// Appends bytes to the tensor `name`: all of them at once or chunk by chunk. More than declared is a
  /// caller's bug.
  void write(std::string_view name, std::span<const std::byte> bytes) { file_.write(name, bytes); }

  /// Every tensor must be complete (else a caller's bug).
  void finish() { file_.finish(); }

 private:
  /// Places all tensors and begins the file.
  void lay_out(const GgufPairs& pairs);
  /// Places a tensor behind those before it; its first byte in the data.
  Index add_part(const GgufTensorSpec& tensor, Index alignment);

  std::vector<GgufTensorSpec> tensors_;
  TensorParts file_;
  Index data_bytes_ = 0;
  Index file_bytes_ = 0;
};

}  // namespace lorry::io
