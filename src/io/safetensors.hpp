// io/safetensors.hpp: one safetensors file, mapped and checked, its tensors used in place.
#pragma once
#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/index.hpp"
#include "io/mapped_file.hpp"
#include "tensor/dtype.hpp"

namespace lorry::io {

/// One tensor of a mapped file. Borrows: valid while the SafetensorsFile (or TensorFolder) it came from
/// lives.
struct TensorView {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<Index> shape;          // row-major; empty for a scalar
  std::span<const std::byte> bytes;  // exactly elements() * size_of(dtype)

  [[nodiscard]] Index elements() const noexcept;
  /// Whether bytes.data() may be read through a pointer to the element type. The format does not promise it
  /// (files by writers that do not pad, or narrow types before wide ones): copy the bytes if not.
  [[nodiscard]] bool aligned() const noexcept;
};

/// A checked safetensors file. Opening reads the header only, whatever the size of the tensors.
class SafetensorsFile {
 public:
  /// Maps `path` and checks everything the header says: lengths, JSON, duplicate names, types, shapes, and
  /// that the tensors fill the data exactly, without overlap, hole or trailing bytes. Throws Error naming
  /// file, tensor and fault.
  explicit SafetensorsFile(std::filesystem::path path);

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return file_->path(); }
  /// In the order of their bytes in the file.
  [[nodiscard]] const std::vector<TensorView>& tensors() const noexcept { return tensors_; }
  /// nullptr if there is none of that name.
  [[nodiscard]] const TensorView* find(std::string_view name) const;
  /// As find, but throws Error naming the file and the tensor.
  [[nodiscard]] const TensorView& at(std::string_view name) const;
  /// The `__metadata__` of the header, such as {"format": "pt"}.
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const noexcept { return metadata_; }
  /// The mapping, for advise() or to keep the bytes alive beyond this object.
  [[nodiscard]] const std::shared_ptr<const MappedFile>& mapping() const noexcept { return file_; }

 private:
  std::shared_ptr<const MappedFile> file_;
  std::vector<TensorView> tensors_;
  std::map<std::string, Index, std::less<>> by_name_;  // position in tensors_
  std::map<std::string, std::string> metadata_;
};

}  // namespace lorry::io
