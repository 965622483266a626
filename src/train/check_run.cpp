#include "train/check_run.hpp"

#include "core/option_error.hpp"
#include "model/adapter.hpp"
#include "model/model_folder.hpp"
#include "train/optimizer_options.hpp"

namespace lorry::train {

void check_options(const TrainOptions& options) {
  constexpr Index kMostSequences = 1 << 20;
  constexpr double kMostEpochs = 1e4;
  if (options.method == Method::kFull && !options.adapter.empty()) {
    throw OptionError("[train] --adapter {}: found with --method full; merge the adapter first (lorry merge)",
                      options.adapter.string());
  }
  if (options.method == Method::kFull && !options.add_tokens.empty()) {
    throw OptionError("[train] --add-tokens: has no effect with --method full; expected it without");
  }
  if (options.int8 != nn::Int8Products::kNone && options.method == Method::kFull) {
    throw OptionError("[train] --compute: found {} with --method full, whose weights change; expected float",
                      nn::word_of(options.int8));
  }
  model::check_int8(options.int8, options.memory_budget);
  check_optimizer_options(options);
  if (options.batch_size < 1 || options.batch_size > kMostSequences) {
    throw OptionError("[train] --batch-size: found {}; expected 1 to {}", options.batch_size, kMostSequences);
  }
  if (options.grad_accumulation_steps < 1 || options.grad_accumulation_steps > kMostSequences) {
    throw OptionError("[train] --grad-accumulation-steps: found {}; expected 1 to {}",
                      options.grad_accumulation_steps, kMostSequences);
  }
  if (!(options.epochs > 0 && options.epochs <= kMostEpochs)) {
    throw OptionError("[train] --epochs: found {}; expected above 0, at most {}", options.epochs,
                      kMostEpochs);
  }
}

void check_run(const RunInputs& inputs, const TrainOptions& options) {
  check_options(options);
  model::Decoder& decoder = *inputs.model.decoder;
  if (options.method == Method::kFull) {
    static_cast<void>(model::stored_dtype(inputs.model.folder));
  } else if (options.adapter.empty()) {
    model::Adapter::check(options.lora, decoder);
  }
}

void check_stopping(const TrainOptions& options, const RunInputs& inputs) {
  if (!options.keeps_best()) return;
  const char* flag =
      options.load_best_model_at_end ? "--load-best-model-at-end" : "--early-stopping-patience";
  if (!inputs.eval_data) {
    throw OptionError(
        "[train] {}: found without held-out data; expected --eval-data, or valid.jsonl in a --data folder",
        flag);
  }
  if (options.eval_steps == 0) {
    throw OptionError(
        "[train] {}: found without --eval-steps; expected held-out losses on the way to choose from", flag);
  }
}

}  // namespace lorry::train
