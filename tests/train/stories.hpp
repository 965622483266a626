// stories260k and Shakespeare, as tests/golden/training trains them.
#pragma once
#include <filesystem>
#include <memory>
#include <vector>

#include "data/dataset.hpp"
#include "io/safetensors.hpp"
#include "model/adapter_files.hpp"
#include "model/loaded_model.hpp"
#include "train/trainer.hpp"

namespace lorry::train {

/// The data folder beside the repository; tests skip where it does not exist.
std::filesystem::path shared_data();

/// The model, the windows of the text and the order in which the reference took them.
class Stories {
 public:
  /// With the initial adapter of the reference attached.
  explicit Stories(DType compute, Index threads = 1);

  [[nodiscard]] model::LoadedModel& model() { return model_; }
  [[nodiscard]] const io::SafetensorsFile& reference() const { return reference_; }
  [[nodiscard]] const std::vector<data::Document>& windows() const { return windows_; }
  /// Tokens of a window.
  static constexpr Index kWindow = 128;
  /// The last windows, never trained on.
  [[nodiscard]] std::vector<data::Document> held_out() const;
  /// The four windows of step `step`; after the last one from the start again.
  [[nodiscard]] data::Batch batch(Index step) const;
  [[nodiscard]] Trainer make_trainer(Index steps);

  /// A tensor of the reference as numbers.
  [[nodiscard]] std::vector<double> numbers(const std::string& name) const;

 private:
  model::LoadedModel model_;
  io::SafetensorsFile reference_;
  std::vector<data::Document> windows_;
};

}  // namespace lorry::train
