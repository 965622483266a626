// analysis/linear_weights.hpp: the linear maps of a model folder by their PEFT module names, used where they
// are mapped. No decoder is made.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "io/tensor_folder.hpp"
#include "model/config.hpp"
#include "tensor/matrix.hpp"

namespace lorry::analysis {

/// One W. Borrows from its LinearWeights.
struct LinearWeight {
  std::string module;
  io::TensorView tensor;           // two sizes; F32, F16 or BF16
  bool inputs_by_outputs = false;  // Conv1D: stored [I,O]

  [[nodiscard]] Index outputs() const { return tensor.shape[inputs_by_outputs ? 1 : 0]; }
  [[nodiscard]] Index inputs() const { return tensor.shape[inputs_by_outputs ? 0 : 1]; }
};

class LinearWeights {
 public:
  /// Maps the folder and checks every tensor against its config. Throws Error.
  explicit LinearWeights(const std::filesystem::path& folder);

  [[nodiscard]] const model::ModelConfig& config() const noexcept { return config_; }
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return tensors_.path(); }
  /// In the order of the model. A tied head is listed too: its W is the embedding.
  [[nodiscard]] const std::vector<LinearWeight>& all() const noexcept { return weights_; }
  /// nullptr if the model has no such map.
  [[nodiscard]] const LinearWeight* find(const std::string& module) const;

  /// W as it is stored. `copy` takes the numbers where the file holds them misaligned.
  [[nodiscard]] static ConstMatrixView view(const LinearWeight& weight, Matrix& copy);
  /// Drops the pages of a map from this process's memory; the next touch reads them again.
  void forget(const LinearWeight& weight) const;

 private:
  model::ModelConfig config_;
  io::TensorFolder tensors_;
  std::vector<LinearWeight> weights_;
};

}  // namespace lorry::analysis
