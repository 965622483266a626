// io/safetensors_writer.hpp: writes a safetensors file tensor by tensor, so that a large model never sits in
// memory.
#pragma once
#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/index.hpp"
#include "io/tensor_parts.hpp"
#include "tensor/dtype.hpp"

namespace lorry::io {

/// What the header says about a tensor to come.
struct TensorSpec {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<Index> shape;
};

/// All tensors are declared first, then their bytes follow in any order, whole or in chunks; finish() makes
/// the file appear. Destroyed before that, nothing is left. The header and order of the data are those of the
/// safetensors library: widest type first, then by name, the header padded by spaces to a multiple of 8, so
/// every tensor is aligned.
class SafetensorsWriter {
 public:
  /// Claims the disk space at once. Throws Error as AtomicFile does, for a name that is not UTF-8, for a
  /// header above the format's limit, and for sizes beyond the largest file. Two tensors of one name or a
  /// negative size are a caller's bug. Metadata {"format": "pt"} is what the Hugging Face libraries ask for.
  SafetensorsWriter(std::filesystem::path path, std::vector<TensorSpec> tensors,
                    const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

  /// The tensors in the order of the file; writing in this order is fastest.
  [[nodiscard]] const std::vector<TensorSpec>& tensors() const noexcept { return tensors_; }

  /// Appends bytes to the tensor `name`: all of them at once or chunk by chunk. More than declared is a
  /// caller's bug.
  void write(std::string_view name, std::span<const std::byte> bytes) { file_.write(name, bytes); }

  /// Every tensor must be complete (else a caller's bug).
  void finish() { file_.finish(); }

 private:
  /// Places all tensors and begins the file.
  void lay_out(const std::map<std::string, std::string>& metadata);

  std::vector<TensorSpec> tensors_;
  TensorParts file_;
  Index data_bytes_ = 0;
};

}  // namespace lorry::io
