// train/plan.hpp: what a run will come to, without running it: parameters, steps, tokens, memory.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "train/memory.hpp"
#include "train/run_inputs.hpp"

namespace lorry::train {

struct DryRun {
  RunSize size;
  Index max_seq_length = 0;
  Index steps = 0;
  double epochs = 0;       // that those steps are, about
  Index tokens = 0;        // that they go through, about
  Index result_bytes = 0;  // of the adapter, or the model
  MemoryParts memory;
  std::optional<Index> available = std::nullopt;  // core/machine.hpp
  std::vector<std::string> warnings = {};
};

/// Checks all that a run checks before its first step but for the output folder. Writes nothing; `inputs` are
/// afterwards as they were. Throws Error.
DryRun plan_run(RunInputs& inputs, const TrainOptions& options);

/// The same as in train/memory.hpp, of this process now, as keep_to_budget left `inputs`.
MemoryParts predict_memory(RunInputs& inputs, const RunSize& size, const TrainOptions& options);

/// What to say where the memory does not suffice; empty where it does.
std::optional<std::string> memory_warning(const MemoryParts& parts, Method method,
                                          const std::optional<Index>& available);

}  // namespace lorry::train
