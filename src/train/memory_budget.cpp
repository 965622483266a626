#include "train/memory_budget.hpp"

#include <numeric>

#include "core/clock.hpp"
#include "core/machine.hpp"
#include "core/option_error.hpp"
#include "model/block_inputs.hpp"
#include "train/plan.hpp"

namespace lorry::train {

namespace {

/// What fits beside the rest of the run: as few block inputs in the file as the budget asks for, then as many
/// weights in memory as it holds. Empty where the whole model does. Throws Error.
std::optional<StreamedRun> split_memory(RunInputs& inputs, const RunSize& size, const TrainOptions& options) {
  inputs.model.weights.release_pages();  // that checks have touched
  const Index resident = resident_bytes();
  const Index budget = *options.memory_budget;
  if (predict_memory(inputs, size, options, resident).total() <= budget) return std::nullopt;
  const Index least = inputs.model.weights.least_streamed(inputs.model.config);
  const Index most_in_file =
      model::BlockInputs::most_in_file(inputs.model.config.num_hidden_layers, size.lowest);
  const auto others = [&](Index in_file) {
    constexpr Index kRoom = Index{4} << 20;  // for what nothing tells of beforehand
    const StreamedRun run = {.weights = 0, .block_inputs = in_file};
    return predict_memory(inputs, size, options, resident, run).total() + kRoom;
  };
  Index in_file = 0;
  while (in_file < most_in_file && others(in_file) + least > budget) ++in_file;
  if (others(in_file) + least > budget) {
    throw OptionError(
        "[train] --memory-budget: found {}; this run takes {} beside its weights, with its block inputs on "
        "the disk, and two blocks of these {}: expected at least {}, or a smaller --batch-size, "
        "--grad-accumulation-steps, --max-seq-length or --rank",
        format_bytes(budget), format_bytes(others(in_file)), format_bytes(least),
        format_bytes_up(others(in_file) + least));
  }
  const std::vector<Index> parts = inputs.model.weights.part_bytes(inputs.model.config);
  const Index all = std::accumulate(parts.begin(), parts.end(), Index{0});
  return StreamedRun{.weights = std::min(budget - others(in_file), all), .block_inputs = in_file};
}

}  // namespace

void keep_to_budget(RunInputs& inputs, const TrainOptions& options) {
  inputs.scratch = {};
  if (!options.memory_budget) return;
  if (options.method == Method::kFull) {
    throw OptionError(
        "[train] --memory-budget: found it with --method full; expected --method lora, whose weights can "
        "stay "
        "on the disk");
  }
  // Measuring must not fill the memory either: DoRA reads every weight for its norms.
  model::stream_weights(inputs.model, inputs.model.weights.least_streamed(inputs.model.config));
  const RunSize size = measure_run(inputs.model, options);
  const std::optional<StreamedRun> run = split_memory(inputs, size, options);
  model::stream_weights(inputs.model, run ? std::optional(run->weights) : std::nullopt);
  if (!run || run->block_inputs == 0) return;
  const Index bytes = predict_memory(inputs, size, options, 0, run).scratch_file;
  inputs.scratch = {.block_inputs = run->block_inputs, .bytes = bytes};
}

}  // namespace lorry::train
