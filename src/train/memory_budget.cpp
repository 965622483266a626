#include "train/memory_budget.hpp"

#include <numeric>

#include "core/clock.hpp"
#include "core/machine.hpp"
#include "core/option_error.hpp"
#include "train/plan.hpp"

namespace lorry::train {

namespace {

/// Bytes of blocks and head that fit beside the rest of the run; empty where the whole model does.
std::optional<Index> streamed_bytes(RunInputs& inputs, const RunSize& size, const TrainOptions& options) {
  const data::Dataset* const data = inputs.data.statistics.tokens > 0 ? &inputs.data : nullptr;
  inputs.model.weights.release_pages();  // that checks have touched
  const Index resident = resident_bytes();
  const Index budget = *options.memory_budget;
  if (predict_memory(inputs.model, size, options, data, resident).total() <= budget) return std::nullopt;
  const Index least = inputs.model.weights.least_streamed(inputs.model.config);
  constexpr Index kRoom = Index{4} << 20;  // for what nothing tells of beforehand
  const Index others = predict_memory(inputs.model, size, options, data, resident, 0).total() + kRoom;
  if (others + least > budget) {
    throw OptionError(
        "[train] --memory-budget: found {}; this run takes {} beside its weights, and two blocks of these "
        "{}: "
        "expected at least {}, or a smaller --batch-size, --grad-accumulation-steps, --max-seq-length or "
        "--rank",
        format_bytes(budget), format_bytes(others), format_bytes(least), format_bytes(others + least));
  }
  const std::vector<Index> parts = inputs.model.weights.part_bytes(inputs.model.config);
  return std::min(budget - others, std::accumulate(parts.begin(), parts.end(), Index{0}));
}

}  // namespace

void keep_to_budget(RunInputs& inputs, const TrainOptions& options) {
  if (!options.memory_budget) return;
  if (options.method == Method::kFull) {
    throw OptionError(
        "[train] --memory-budget: found it with --method full; expected --method lora, whose weights can "
        "stay "
        "on the disk");
  }
  // Measuring must not fill the memory either: DoRA reads every weight for its norms.
  model::stream_weights(inputs.model, inputs.model.weights.least_streamed(inputs.model.config));
  const std::optional<Index> held = streamed_bytes(inputs, measure_run(inputs.model, options), options);
  model::stream_weights(inputs.model, held);
}

}  // namespace lorry::train
