// cli/analyze/memory.hpp: --memory-budget of the analyses.
#pragma once
#include <optional>
#include <vector>

#include "analysis/memory.hpp"
#include "cli/analyze/options.hpp"

namespace lorry::cli {

/// Bytes that modules may take at once, once everything is opened: what the budget leaves beside the results
/// of all `needs`; 0, no limit, without a budget. Throws OptionError where not even the module that takes
/// most fits, with the least budget that does. `outputs`: what becomes of the results.
Index memory_for_modules(const std::optional<Index>& budget, const std::vector<analysis::MemoryNeed>& needs,
                         const OutputFlags& outputs);

}  // namespace lorry::cli
