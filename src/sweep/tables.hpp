// sweep/tables.hpp: the results of a sweep as tables, for report/.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "report/table.hpp"
#include "sweep/summary.hpp"

namespace lorry::sweep {

/// What stands behind the best figure of a table.
inline constexpr const char* kBestMark = " *";  // RowSummary::near_best
/// Of what people are shown, on the terminal and in every file but JSON and the cells' CSV.
inline constexpr int kLossDecimals = 4;
inline constexpr int kPerplexityDecimals = 2;

/// A number as it was given, such as a learning rate: "0.002".
report::Cell setting_cell(double value);

/// One line per row of the plan: settings, parameters, held-out loss and perplexity with their spread.
report::Table row_table(const Plan& plan, const std::vector<RowSummary>& rows);

/// One line per cell with its own figures, for programs.
report::Table cell_table(const Plan& plan, const Results& results);

/// Table 5 of the paper: a column per row of the plan; lines for rank, parameters, loss, perplexity. Only of
/// a plan with a budget.
std::optional<report::Table> budget_table(const Plan& plan, const std::vector<RowSummary>& rows);

/// Table 6 of the paper: a line per series, a column per rank and one for full fine-tuning where there is
/// some. First the losses, then the parameters. Empty for a plan with a budget or with one rank.
std::vector<report::Table> rank_tables(const Plan& plan, const std::vector<RowSummary>& rows);

/// Distinct ranks of the LoRA rows, rising; empty for a plan with a budget.
std::vector<Index> ranks_of(const Plan& plan);
/// Distinct series in the plan's order.
std::vector<std::string> series_of(const Plan& plan);

}  // namespace lorry::sweep
