#include "sweep/tables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "report/number.hpp"

namespace lorry::sweep {

namespace {

using Shown = report::Cell;  // of a table, not of the sweep

Shown missing() {
  return {std::string()};
}

/// The same digits for whoever reads the text and whoever reads the value.
Shown rounded(std::string text, std::string_view more = "") {
  const double value = text == report::kMissing ? report::kNone : std::stod(text);
  text += more;
  return {std::move(text), value};
}

Shown spread_cell(const std::optional<Spread>& spread, int decimals, bool marked = false) {
  if (!spread) return missing();
  std::string more;
  if (spread->deviation) more = fmt::format(" ± {}", report::format_fixed(*spread->deviation, decimals));
  if (marked) more += kBestMark;
  return rounded(report::format_fixed(spread->mean, decimals), more);
}

Shown loss_cell(const RowSummary& row) {
  return spread_cell(row.loss, kLossDecimals, row.near_best);
}

Shown mean_cell(const std::optional<Spread>& spread, int digits) {
  if (!spread) return missing();
  return rounded(report::format_number(spread->mean, digits));
}

/// Names of the other options that some row varies, in the order of their first row.
std::vector<std::string> varied_names(const Plan& plan) {
  std::vector<std::string> names;
  for (const Row& row : plan.rows) {
    for (const auto& [name, value] : row.varied) {
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
  }
  return names;
}

Shown varied_cell(const Row& row, const std::string& name) {
  const auto found = std::find_if(row.varied.begin(), row.varied.end(),
                                  [&](const auto& option) { return option.first == name; });
  return found == row.varied.end() ? missing() : Shown(found->second);
}

/// A grid of series by rank; `value` gives what a row shows.
report::Table rank_table(const Plan& plan, std::string title,
                         const std::function<Shown(std::size_t)>& value) {
  const std::vector<Index> ranks = ranks_of(plan);
  const bool has_full =
      std::any_of(plan.rows.begin(), plan.rows.end(), [](const Row& row) { return !is_lora(row); });
  std::vector<report::Column> columns = {{.title = "weights"}};
  for (const Index rank : ranks) columns.push_back({.title = fmt::format("r = {}", rank), .numeric = true});
  if (has_full) columns.push_back({.title = "every weight", .numeric = true});
  report::Table table(columns, std::move(title));
  for (const std::string& series : series_of(plan)) {
    std::vector<Shown> line(columns.size(), missing());
    line.front() = Shown(series);
    for (std::size_t i = 0; i < plan.rows.size(); ++i) {
      const Row& row = plan.rows[i];
      if (row.series != series) continue;
      const auto rank = std::find(ranks.begin(), ranks.end(), row.options.lora.r);
      if (!is_lora(row)) {
        line.back() = value(i);
      } else {
        line[static_cast<std::size_t>(rank - ranks.begin()) + 1] = value(i);
      }
    }
    table.add_row(std::move(line));
  }
  return table;
}

}  // namespace

report::Cell setting_cell(double value) {
  return {fmt::format("{}", value), value};
}

report::Table row_table(const Plan& plan, const std::vector<RowSummary>& rows) {
  std::vector<report::Column> columns = {{.title = "row"},
                                         {.title = "rank", .numeric = true},
                                         {.title = "alpha", .numeric = true},
                                         {.title = "lr", .numeric = true}};
  const std::vector<std::string> varied = varied_names(plan);
  for (const std::string& name : varied) columns.push_back({.title = name});
  for (const char* title :
       {"parameters", "held-out loss", "perplexity", "seeds", "diverged", "seconds", "tokens/s"}) {
    columns.push_back({.title = title, .numeric = true});
  }
  report::Table table(columns);
  for (std::size_t i = 0; i < plan.rows.size(); ++i) {
    const Row& row = plan.rows[i];
    const bool lora = is_lora(row);
    std::vector<Shown> line = {Shown(row.label), lora ? Shown(row.options.lora.r) : missing(),
                               lora ? setting_cell(row.options.lora.lora_alpha) : missing(),
                               setting_cell(row.options.learning_rate())};
    for (const std::string& name : varied) line.push_back(varied_cell(row, name));
    line.insert(line.end(), {Shown(row.trainable_parameters), loss_cell(rows[i]),
                             spread_cell(rows[i].perplexity, kPerplexityDecimals), Shown(rows[i].finished),
                             Shown(rows[i].failed), mean_cell(rows[i].seconds, 3),
                             mean_cell(rows[i].tokens_per_second, 3)});
    table.add_row(std::move(line));
  }
  return table;
}

report::Table cell_table(const Plan& plan, const Results& results) {
  report::Table table({{.title = "cell"},
                       {.title = "row"},
                       {.title = "seed", .numeric = true},
                       {.title = "parameters", .numeric = true},
                       {.title = "held_out_loss", .numeric = true},
                       {.title = "perplexity", .numeric = true},
                       {.title = "train_loss", .numeric = true},
                       {.title = "steps", .numeric = true},
                       {.title = "seconds", .numeric = true},
                       {.title = "tokens_per_second", .numeric = true},
                       {.title = "failure"}});
  for (std::size_t i = 0; i < plan.cells.size(); ++i) {
    if (!results[i]) continue;
    const CellResult& result = *results[i];
    const Row& row = plan.rows[static_cast<std::size_t>(plan.cells[i].row)];
    const bool good = result.failure.empty();
    table.add_row({plan.cells[i].name, row.label, plan.cells[i].options.seed, result.trainable_parameters,
                   good ? Shown(result.held_out_loss()) : missing(),
                   good ? Shown(std::exp(result.held_out_loss())) : missing(), result.loss, result.steps,
                   result.seconds, result.tokens_per_second, result.failure});
  }
  return table;
}

std::optional<report::Table> budget_table(const Plan& plan, const std::vector<RowSummary>& rows) {
  if (plan.budget == 0) return std::nullopt;
  std::vector<report::Column> columns = {{.title = "weights"}};
  for (const Row& row : plan.rows) columns.push_back({.title = row.series, .numeric = true});
  report::Table table(columns, fmt::format("Which weights, at {} trainable parameters", plan.budget));
  const auto line = [&](const char* name, const std::function<Shown(std::size_t)>& value) {
    std::vector<Shown> cells = {Shown(name)};
    for (std::size_t i = 0; i < plan.rows.size(); ++i) cells.push_back(value(i));
    table.add_row(std::move(cells));
  };
  line("rank",
       [&](std::size_t i) { return is_lora(plan.rows[i]) ? Shown(plan.rows[i].options.lora.r) : missing(); });
  line("alpha", [&](std::size_t i) {
    return is_lora(plan.rows[i]) ? setting_cell(plan.rows[i].options.lora.lora_alpha) : missing();
  });
  line("parameters", [&](std::size_t i) { return Shown(plan.rows[i].trainable_parameters); });
  line("held-out loss", [&](std::size_t i) { return loss_cell(rows[i]); });
  line("perplexity", [&](std::size_t i) { return spread_cell(rows[i].perplexity, kPerplexityDecimals); });
  return table;
}

std::vector<report::Table> rank_tables(const Plan& plan, const std::vector<RowSummary>& rows) {
  if (ranks_of(plan).size() < 2) return {};
  return {rank_table(plan, "Held-out loss by rank", [&](std::size_t i) { return loss_cell(rows[i]); }),
          rank_table(plan, "Trainable parameters by rank",
                     [&](std::size_t i) { return Shown(plan.rows[i].trainable_parameters); })};
}

std::vector<Index> ranks_of(const Plan& plan) {
  std::vector<Index> ranks;
  if (plan.budget > 0) return ranks;
  for (const Row& row : plan.rows) {
    if (is_lora(row)) ranks.push_back(row.options.lora.r);
  }
  std::sort(ranks.begin(), ranks.end());
  ranks.erase(std::unique(ranks.begin(), ranks.end()), ranks.end());
  return ranks;
}

std::vector<std::string> series_of(const Plan& plan) {
  std::vector<std::string> all;
  for (const Row& row : plan.rows) {
    if (std::find(all.begin(), all.end(), row.series) == all.end()) all.push_back(row.series);
  }
  return all;
}

}  // namespace lorry::sweep
