// model/full_parameters.hpp: every weight of a model made trainable: full fine-tuning and pretraining.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "model/decoder.hpp"
#include "optim/parameter.hpp"

namespace lorry::model {

/// Owns F32 masters and gradients of all tensors, and compute-type copies of the matrices where that is not
/// F32. Needs 8 bytes per weight, 2 more for BF16 copies, and the optimiser 8 more.
class FullParameters {
 public:
  /// Copies `source`, which may then be dropped.
  FullParameters(ops::Ops& ops, const ModelConfig& config, const Weights& source, DType compute);

  /// What the decoder must be built on: the compute copies.
  [[nodiscard]] const Weights& weights() const noexcept { return weights_; }
  /// Tells the decoder where to accumulate gradients.
  void attach(Decoder& decoder);
  /// Matrices decay, norms and biases do not.
  [[nodiscard]] std::vector<optim::Parameter> parameters();
  void zero_gradients();
  /// Renews the compute copies after an optimiser step.
  void refresh();
  [[nodiscard]] Index count_parameters() const;

  /// Streams a Hugging Face model folder's model.safetensors in `dtype` (F32, F16 or BF16), tensor by tensor,
  /// atomically.
  void save(const std::filesystem::path& file, DType dtype) const;
  /// Takes all values from a file that save wrote in F32. Throws Error where it is not of this model.
  void load(const std::filesystem::path& file);

 private:
  struct Entry {
    TensorSpec spec;
    Matrix master;    // F32
    Matrix gradient;  // F32
    Matrix copy;      // compute type; empty when the master serves
  };
  [[nodiscard]] MatrixView gradient_of(const std::string& name);

  ops::Ops& ops_;
  ModelConfig config_;
  std::vector<std::unique_ptr<Entry>> entries_;
  Weights weights_;
};

}  // namespace lorry::model
