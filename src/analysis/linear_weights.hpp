// analysis/linear_weights.hpp: the linear maps of a model folder by their PEFT module names, used where they
// are mapped. No decoder is made.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "model/config.hpp"
#include "model/weights.hpp"

namespace lorry::analysis {

/// One W, or the outputs of a fused W that make one part. Borrows from its LinearWeights.
struct LinearWeight {
  std::string module;
  std::string tensor;              // its name
  WeightView stored;               // [O,I], or [I,O] if inputs_by_outputs
  bool inputs_by_outputs = false;  // Conv1D

  [[nodiscard]] Index outputs() const { return inputs_by_outputs ? stored.cols : stored.rows; }
  [[nodiscard]] Index inputs() const { return inputs_by_outputs ? stored.rows : stored.cols; }
};

class LinearWeights {
 public:
  /// Maps the folder and checks every tensor against its config. Throws Error.
  explicit LinearWeights(const std::filesystem::path& folder);

  [[nodiscard]] const model::ModelConfig& config() const noexcept { return config_; }
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  /// In the order of the model, fused maps whole. A tied head is listed too: its W is the embedding.
  [[nodiscard]] const std::vector<LinearWeight>& all() const noexcept { return weights_; }
  /// A map, or a part of a fused one ("...c_attn.q"); nullptr if the model has no such.
  [[nodiscard]] const LinearWeight* find(const std::string& module) const;

  /// Drops all pages from this process's memory; the next touch reads them again. Of one map alone others
  /// would stay that the system maps around those that are touched.
  void forget_all() const;
  /// Some rows of one map as they are stored.
  void forget(const LinearWeight& weight, Index first_row, Index rows) const;

 private:
  std::filesystem::path path_;
  model::ModelConfig config_;
  model::Weights weights_of_model_;
  std::vector<LinearWeight> weights_;
  std::vector<LinearWeight> parts_;
};

}  // namespace lorry::analysis
