#include "train/plan.hpp"

#include <fmt/format.h>

#include <cmath>

#include "core/clock.hpp"
#include "core/machine.hpp"
#include "data/batcher.hpp"
#include "model/model_folder.hpp"
#include "train/check_run.hpp"
#include "train/duration.hpp"
#include "train/memory_budget.hpp"

namespace lorry::train {

namespace {

/// How much of an epoch is done in the steps.
double epochs_of(const TrainOptions& options, const data::Batcher& batcher, Index steps) {
  Index left = steps;
  for (Index epoch = 0;; ++epoch) {
    const Index whole = steps_in_epoch(options, batcher, epoch);
    if (left <= whole)
      return static_cast<double>(epoch) + static_cast<double>(left) / static_cast<double>(whole);
    left -= whole;
    // Epochs are alike but for a step or so.
    if (epoch == 2) return 3.0 + static_cast<double>(left) / static_cast<double>(whole);
  }
}

}  // namespace

MemoryParts predict_memory(RunInputs& inputs, const RunSize& size, const TrainOptions& options) {
  std::optional<StreamedRun> streamed;
  if (const auto& stream = inputs.model.weights.stream()) {
    streamed = {.weights = stream->round_trip().held, .block_inputs = inputs.scratch.block_inputs};
  }
  inputs.model.weights.release_pages();  // that measuring has touched, and that are counted as weights
  return predict_memory(inputs, size, options, resident_bytes(), streamed);
}

std::optional<std::string> memory_warning(const MemoryParts& parts, Method method,
                                          const std::optional<Index>& available) {
  if (!available) return std::nullopt;
  const Index more = parts.total() - parts.program - parts.data;  // those are there already
  if (more <= *available) return std::nullopt;
  const Index held = more - (parts.total() - parts.anonymous(method));
  const std::string need =
      fmt::format("the run needs about {}, {} more than now; {} are available", format_bytes(parts.total()),
                  format_bytes(more), format_bytes(*available));
  if (held <= *available) {
    return need + ": it will be slow, since weights are read from the disk again and again";
  }
  return need +
         ": it cannot fit; try a smaller --batch-size or --max-seq-length, --grad-checkpoint, or --optimizer "
         "adamw_8bit with --method full";
}

DryRun plan_run(RunInputs& inputs, const TrainOptions& options) {
  check_run(inputs, options);
  check_stopping(options, inputs);
  const data::Batcher batcher(inputs.data.view(), batcher_options(inputs, options));
  DryRun plan;
  keep_to_budget(inputs, options);
  plan.size = measure_run(inputs.model, options);
  plan.max_seq_length = inputs.max_seq_length;
  plan.steps = count_steps(options, batcher);
  plan.epochs = epochs_of(options, batcher, plan.steps);
  plan.tokens =
      static_cast<Index>(std::llround(plan.epochs * static_cast<double>(batcher.tokens_in_epoch())));
  plan.result_bytes = options.method == Method::kLora
                          ? plan.size.adapter_bytes()
                          : plan.size.model * size_of(model::stored_dtype(inputs.model.folder));
  plan.memory = predict_memory(inputs, plan.size, options);
  plan.available = available_memory();
  plan.warnings = inputs.warnings;
  plan.warnings.insert(plan.warnings.end(), plan.size.warnings.begin(), plan.size.warnings.end());
  if (const auto warning = memory_warning(plan.memory, options.method, plan.available)) {
    plan.warnings.push_back(*warning);
  }
  return plan;
}

}  // namespace lorry::train
