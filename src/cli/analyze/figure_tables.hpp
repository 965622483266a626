// cli/analyze/figure_tables.hpp: figures of modules as tables: each, and medians per layer and per type.
#pragma once
#include "cli/analyze/measurements.hpp"

namespace lorry::cli {

/// Whether medians stand below the modules; where a table can be sorted they would be lost among them.
enum class Summary { kNone, kBelow };

/// A row per module; below, the median of each figure and of what chance gives.
report::Table module_table(const Measurements& measurements, Summary summary);
/// A row per module type with the median over its layers, in the order of the modules.
report::Table type_table(const Measurements& measurements);
/// A row per layer with the median over its modules. No row where there are no layers.
report::Table layer_table(const Measurements& measurements);
/// A row per subject with the median over its modules; `what` is the title of their column.
report::Table subject_table(const std::vector<Measurements>& all, std::string what);

/// What a terminal shows: a row per module with medians, then per layer and per type where there are several.
std::string tables_text(const Measurements& measurements, Index width);
/// What the titles mean, a line each.
std::string terms_text(const Measurements& measurements);

}  // namespace lorry::cli
