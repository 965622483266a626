// model/weights.hpp: a model's tensors by name, as the decoder borrows them.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "io/tensor_folder.hpp"
#include "model/tensor_list.hpp"
#include "tensor/matrix.hpp"

namespace lorry::model {

/// Matrices lie where they were mapped, in the type of their file; vectors (norms, biases) are small and are
/// held as [1,D] F32. Whoever fills it keeps the memory alive by `keep`.
class Weights {
 public:
  void add(const std::string& name, ConstMatrixView view) { views_[name] = view; }
  /// Takes over memory that views point into.
  void keep(Matrix matrix) { owned_.push_back(std::move(matrix)); }
  void keep(std::shared_ptr<const io::TensorFolder> folder) { folder_ = std::move(folder); }

  /// The tensor must have been added.
  [[nodiscard]] ConstMatrixView at(const std::string& name) const;
  /// Bytes of all tensors as they lie in memory or in the mapped files.
  [[nodiscard]] Index matrix_bytes() const;
  /// Lets go of the memory that mapped files take by having been read; the next use reads them again.
  void release_pages() const;
  /// The mapped files that views point into; null where the weights come from no folder.
  [[nodiscard]] const io::TensorFolder* folder() const noexcept { return folder_.get(); }

 private:
  std::unordered_map<std::string, ConstMatrixView> views_;
  std::vector<Matrix> owned_;
  std::shared_ptr<const io::TensorFolder> folder_;
};

/// Opens the safetensors of the model folder `path` and checks every tensor of the config against it:
/// presence, shape, type (F32, F16 or BF16), and no other weight in a layer. Matrices are used in place; only
/// vectors are copied, and matrices whose bytes are not aligned to their element. Names may lack the config's
/// root ("model."), as some published files do. Throws Error.
Weights load_weights(const std::filesystem::path& path, const ModelConfig& config);

/// The tensor as `folder` has it, under its own name or without the family's root; nullptr if absent.
const io::TensorView* find_tensor(const io::TensorFolder& folder, const ModelConfig& config,
                                  const std::string& name);

}  // namespace lorry::model
