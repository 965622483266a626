// train/trainee.hpp: what a run trains: an adapter beside the frozen model, or a copy of every weight.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "model/full_parameters.hpp"
#include "train/run_inputs.hpp"
#include "train/trainer.hpp"

namespace lorry::train {

/// Remarks on what an adapter trains, for people.
std::vector<std::string> warnings_of(const model::Adapter& adapter, const model::ModelConfig& config);

/// Made on the inputs of a run and gone before the next one: an adapter sits beside their decoder for as long
/// as this lives, the full method has a decoder of its own and never touches theirs.
class Trainee {
 public:
  /// By options.method, adapter, lora and seed; the full method also copies the model's other files to
  /// options.out, since whatever can fail of the result should fail now. Throws Error.
  Trainee(RunInputs& inputs, const TrainOptions& options);
  Trainee(const Trainee&) = delete;
  Trainee& operator=(const Trainee&) = delete;
  ~Trainee();

  /// The one that computes: of the inputs, or of the full method.
  [[nodiscard]] model::Decoder& decoder() const noexcept {
    return full_ ? *decoder_ : *inputs_.model.decoder;
  }
  /// Null with the full method.
  [[nodiscard]] const model::Adapter* adapter() const noexcept { return adapter_.get(); }
  [[nodiscard]] Index count_parameters() const;
  /// Remarks on the options, for people.
  [[nodiscard]] std::vector<std::string> warnings() const;
  /// For a trainer, which this must outlive.
  [[nodiscard]] Trainable trainable();

  /// Writes the adapter, or the weights of a model folder, to `out`, and before them the chat template that
  /// was learnt. Throws Error, also for a number that is not finite: every update but the last is checked by
  /// the loss of the step after it.
  void save(const std::filesystem::path& out) const;
  /// The same in float32, so that load_checkpoint gives back every bit; the full method adds the model's
  /// other files.
  void save_checkpoint(const std::filesystem::path& folder) const;
  /// Trains on from the values that save_checkpoint wrote. Throws Error where they are not of this run.
  void load_checkpoint(const std::filesystem::path& folder);

 private:
  void check_finite() const;
  void save_chat_template(const std::filesystem::path& folder) const;
  /// Of updates that began as a part of W: the part that W goes without, and leaves `saved` with A and B
  /// alone.
  void take_given_up(model::Adapter& saved);
  void make_lora(const TrainOptions& options);
  void make_full(const TrainOptions& options);
  [[nodiscard]] std::vector<optim::Parameter> parameters() const;

  RunInputs& inputs_;
  std::unique_ptr<model::Adapter> adapter_;
  std::unique_ptr<model::FullParameters> full_;
  std::unique_ptr<model::Decoder> decoder_;  // on the weights of full_
  DType stored_dtype_ = DType::kF32;         // in which the full method saves
};

}  // namespace lorry::train
