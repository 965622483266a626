#include "cli/analyze/page_budget.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "model/module_place.hpp"

namespace lorry::cli {

namespace {

constexpr Index kMostSide = 64;  // rows or columns of a map: cells below 4 pixels cannot be told apart

Index stride_of(Index count) {
  return std::max<Index>(1, (count + kMostSide - 1) / kMostSide);
}

Index kept_of(Index count) {
  const Index stride = stride_of(count);
  return (count + stride - 1) / stride;
}

/// Which of `count` are kept, from 0.
std::vector<Index> kept_places(Index count) {
  const Index stride = stride_of(count);
  std::vector<Index> places;
  for (Index i = count - 1; i >= 0; i -= stride) places.push_back(i);
  std::reverse(places.begin(), places.end());
  return places;
}

/// Their names; none where all are kept, since maps count by themselves.
std::vector<std::string> names_of(const std::vector<Index>& places, Index count) {
  std::vector<std::string> names;
  if (std::ssize(places) == count) return names;
  for (const Index place : places) names.push_back(std::to_string(place + 1));
  return names;
}

Index layer_of(const std::string& module) {
  return std::max<Index>(model::place_of(module).layer, 0);
}

/// "2nd", "3rd", "4th".
std::string ordinal(Index n) {
  const Index last = n % 10;
  const bool teen = n % 100 >= 11 && n % 100 <= 13;
  return fmt::format("{}{}", n, teen ? "th" : last == 1 ? "st" : last == 2 ? "nd" : last == 3 ? "rd" : "th");
}

}  // namespace

report::HeatMap thinned(report::HeatMap map) {
  if (map.rows <= kMostSide && map.cols <= kMostSide) return map;
  const Index cols = map.lower_left_triangle_only ? std::min(map.rows, map.cols) : map.cols;
  const std::vector<Index> kept_rows = kept_places(map.rows);
  const std::vector<Index> kept_cols = kept_places(cols);
  std::vector<double> values;
  for (const Index i : kept_rows) {
    for (const Index j : kept_cols) values.push_back(map.values[static_cast<std::size_t>(i * map.cols + j)]);
  }
  map.y_ticks = names_of(kept_rows, map.rows);
  map.x_ticks = names_of(kept_cols, cols);
  map.rows = std::ssize(kept_rows);
  map.cols = std::ssize(kept_cols);
  map.values = std::move(values);
  return map;
}

Index thinned_cells(Index rows, Index cols) {
  return kept_of(rows) * kept_of(cols);
}

std::string thinning_note(Index rows, Index cols) {
  const Index stride = std::max(stride_of(rows), stride_of(cols));
  if (stride == 1) return {};
  return fmt::format(
      "Maps of more than {} directions show every n-th of them, at most every {}, so that the page opens "
      "quickly; "
      "--csv, --json and --svg have all.",
      kMostSide, ordinal(stride));
}

DrawnLayers::DrawnLayers(const std::vector<std::pair<std::string, Index>>& modules, Index budget) {
  Index last = 0;
  for (const auto& [name, cells] : modules) last = std::max(last, layer_of(name));
  const auto cells_at = [&](Index stride) {
    Index sum = 0;
    for (const auto& [name, cells] : modules) sum += layer_of(name) % stride == 0 ? cells : 0;
    return sum;
  };
  while (stride_ <= last + 1 && cells_at(stride_) > budget) ++stride_;
  if (stride_ > last + 1) stride_ = 0;
}

bool DrawnLayers::holds(const std::string& module) const {
  return stride_ > 0 && layer_of(module) % stride_ == 0;
}

std::string DrawnLayers::note() const {
  if (stride_ == 1) return {};
  const std::string where = "so that the page opens quickly; --csv, --json and --svg have every module.";
  if (stride_ == 0) return "Charts of single modules are left out here, " + where;
  return fmt::format("Charts of every {} layer only, {}", ordinal(stride_), where);
}

}  // namespace lorry::cli
