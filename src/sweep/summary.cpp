#include "sweep/summary.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>

namespace lorry::sweep {

namespace {

using Cells = std::vector<const CellResult*>;

std::optional<Spread> spread_over(const Cells& cells, const std::function<double(const CellResult&)>& value) {
  std::vector<double> values;
  values.reserve(cells.size());
  for (const CellResult* cell : cells) values.push_back(value(*cell));
  return spread_of(values);
}

std::vector<CurveSpread> curve_over(const Cells& cells, std::vector<CurvePoint> CellResult::*curve) {
  std::map<Index, std::vector<double>> losses;
  for (const CellResult* cell : cells) {
    for (const CurvePoint& point : cell->*curve) losses[point.step].push_back(point.loss);
  }
  std::vector<CurveSpread> spreads;
  spreads.reserve(losses.size());
  for (const auto& [step, values] : losses) spreads.push_back({step, *spread_of(values)});
  return spreads;
}

RowSummary summarise_row(const Cells& finished) {
  RowSummary row;
  row.finished = std::ssize(finished);
  Cells good;
  for (const CellResult* cell : finished) {
    if (cell->failure.empty()) {
      good.push_back(cell);
      row.losses.push_back(cell->held_out_loss());
    } else {
      ++row.failed;
    }
  }
  row.loss = spread_of(row.losses);
  row.perplexity = spread_over(good, [](const CellResult& cell) { return std::exp(cell.held_out_loss()); });
  row.seconds = spread_over(good, [](const CellResult& cell) { return cell.seconds; });
  row.tokens_per_second = spread_over(good, [](const CellResult& cell) { return cell.tokens_per_second; });
  row.held_out = curve_over(good, &CellResult::held_out);
  row.training = curve_over(good, &CellResult::training);
  return row;
}

/// Whether chance alone may have parted them; of a single seed nothing is known of chance.
bool is_near(const Spread& row, const Spread& best) {
  return row.mean - best.mean <= std::max(row.deviation.value_or(0), best.deviation.value_or(0));
}

}  // namespace

double Spread::deviation_or_nan() const {
  return deviation.value_or(std::numeric_limits<double>::quiet_NaN());
}

std::optional<Spread> spread_of(std::span<const double> values) {
  if (values.empty()) return std::nullopt;
  Spread spread{.n = std::ssize(values), .mean = 0, .deviation = std::nullopt};
  for (const double value : values) spread.mean += value / static_cast<double>(spread.n);
  if (spread.n == 1) return spread;
  double squares = 0;
  for (const double value : values) squares += (value - spread.mean) * (value - spread.mean);
  spread.deviation = std::sqrt(squares / static_cast<double>(spread.n - 1));
  return spread;
}

std::vector<RowSummary> summarise(const Plan& plan, const Results& results) {
  std::vector<Cells> finished(plan.rows.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i]) finished[static_cast<std::size_t>(plan.cells[i].row)].push_back(&*results[i]);
  }
  std::vector<RowSummary> rows;
  RowSummary* best = nullptr;
  rows.reserve(finished.size());  // best points into it
  const auto complete = [&](const RowSummary& row) { return row.finished == plan.seeds && row.failed == 0; };
  for (const Cells& cells : finished) {
    RowSummary& row = rows.emplace_back(summarise_row(cells));
    if (complete(row) && (best == nullptr || row.loss->mean < best->loss->mean)) best = &row;
  }
  if (best == nullptr) return rows;
  best->best = true;
  for (RowSummary& row : rows) {
    if (complete(row)) row.near_best = is_near(*row.loss, *best->loss);
  }
  return rows;
}

}  // namespace lorry::sweep
