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

/// One W, or the rows of a fused W that make one part. Borrows from its LinearWeights.
struct LinearWeight {
  std::string module;
  io::TensorView tensor;           // two sizes; F32, F16 or BF16
  bool inputs_by_outputs = false;  // Conv1D: stored [I,O]
  Index first_output = 0;          // of the tensor's outputs that are the module's own
  Index own_outputs = 0;

  [[nodiscard]] Index outputs() const { return own_outputs; }
  [[nodiscard]] Index inputs() const { return tensor.shape[inputs_by_outputs ? 0 : 1]; }
  /// Of its own outputs.
  [[nodiscard]] Index bytes() const { return outputs() * inputs() * size_of(tensor.dtype); }
};

class LinearWeights {
 public:
  /// Maps the folder and checks every tensor against its config. Throws Error.
  explicit LinearWeights(const std::filesystem::path& folder);

  [[nodiscard]] const model::ModelConfig& config() const noexcept { return config_; }
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return tensors_.path(); }
  /// In the order of the model, fused maps whole. A tied head is listed too: its W is the embedding.
  [[nodiscard]] const std::vector<LinearWeight>& all() const noexcept { return weights_; }
  /// A map, or a part of a fused one ("...c_attn.q"); nullptr if the model has no such.
  [[nodiscard]] const LinearWeight* find(const std::string& module) const;

  /// W as it is stored; of a part, its rows or columns. `copy` takes the numbers where the file holds them
  /// misaligned.
  [[nodiscard]] static ConstMatrixView view(const LinearWeight& weight, Matrix& copy);
  /// Drops the pages of a map from this process's memory; the next touch reads them again.
  void forget(const LinearWeight& weight) const;

 private:
  model::ModelConfig config_;
  io::TensorFolder tensors_;
  std::vector<LinearWeight> weights_;
  std::vector<LinearWeight> parts_;
};

}  // namespace lorry::analysis
