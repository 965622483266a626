#include "cli/analyze/figure_tables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/escape.hpp"

namespace lorry::cli {

namespace {

report::Cell shown(const Measure& measure, Figure figure) {
  figure = rounded(measure, figure);
  if (std::isfinite(figure.spread)) return {report::format_spread(figure.value, figure.spread), figure.value};
  const std::string text = measure.decimals == kSignificant
                               ? report::format_number(figure.value)
                               : report::format_fixed(figure.value, measure.decimals);
  return {(figure.at_least ? "≥" : "") + text, figure.value};
}

std::size_t columns_of(const std::string& text) {
  return static_cast<std::size_t>(report::display_width(text));
}

std::vector<report::Column> measure_columns(const Measurements& measurements,
                                            std::vector<report::Column> before) {
  for (const Measure& measure : measurements.measures) before.push_back({measure.title, true});
  return before;
}

}  // namespace

report::Table module_table(const Measurements& measurements, Summary summary) {
  const std::size_t facts = measurements.facts.size();
  std::vector<report::Column> columns = {{"layer", true}, {"module"}};
  columns.insert(columns.end(), measurements.facts.begin(), measurements.facts.end());
  columns = measure_columns(measurements, std::move(columns));
  const bool notes = std::any_of(measurements.modules.begin(), measurements.modules.end(),
                                 [](const MeasuredModule& module) { return !module.note.empty(); });
  if (notes) columns.push_back({"note"});
  report::Table table(std::move(columns));
  for (const MeasuredModule& module : measurements.modules) {
    const model::ModulePlace place = model::place_of(module.module);
    std::vector<report::Cell> row = {
        {model::layer_text(place), place.layer < 0 ? report::kNone : static_cast<double>(place.layer)},
        place.type};
    row.insert(row.end(), module.facts.begin(), module.facts.end());
    for (const Measure& measure : measurements.measures) {
      row.push_back(shown(measure, figure_of(module, measure.key)));
    }
    if (notes) row.emplace_back(module.note);
    table.add_row(std::move(row));
  }
  if (summary == Summary::kNone) return table;
  const auto add_summary = [&](const char* name, const auto& value) {
    std::vector<report::Cell> row = {"", name};
    for (std::size_t k = 0; k < facts; ++k) row.emplace_back("");
    bool any = false;
    for (const Measure& measure : measurements.measures) {
      row.push_back(shown(measure, value(measure.key)));
      any = any || std::isfinite(row.back().value);
    }
    if (notes) row.emplace_back("");
    if (any) table.add_row(std::move(row));
  };
  add_summary("median", [&](const std::string& key) { return median(measurements, key); });
  add_summary("random", [&](const std::string& key) { return Figure{median_chance(measurements, key)}; });
  return table;
}

report::Table type_table(const Measurements& measurements) {
  report::Table table(measure_columns(measurements, {{"module type"}, {"modules", true}}));
  for (const auto& [type, group] : by_type(measurements)) {
    std::vector<report::Cell> row = {type, std::ssize(group)};
    for (const Measure& measure : measurements.measures) {
      row.push_back(shown(measure, median(group, measure.key)));
    }
    table.add_row(std::move(row));
  }
  return table;
}

report::Table layer_table(const Measurements& measurements) {
  report::Table table(measure_columns(measurements, {{"layer", true}, {"modules", true}}));
  for (const auto& [layer, group] : by_layer(measurements)) {
    std::vector<report::Cell> row = {layer, std::ssize(group)};
    for (const Measure& measure : measurements.measures) {
      row.push_back(shown(measure, median(group, measure.key)));
    }
    table.add_row(std::move(row));
  }
  return table;
}

report::Table subject_table(const std::vector<Measurements>& all, std::string what) {
  report::Table table(measure_columns(all.front(), {{std::move(what)}, {"modules", true}}));
  for (const Measurements& measurements : all) {
    std::vector<report::Cell> row = {measurements.subject, std::ssize(measurements.modules)};
    for (const Measure& measure : measurements.measures) {
      row.push_back(shown(measure, median(measurements, measure.key)));
    }
    table.add_row(std::move(row));
  }
  return table;
}

std::string tables_text(const Measurements& measurements, Index width) {
  std::string text = module_table(measurements, Summary::kBelow).to_text(width);
  const report::Table layers = layer_table(measurements);
  const report::Table types = type_table(measurements);
  if (layers.rows() > 1 && types.rows() > 1) {
    text += "\nmedian per layer\n" + layers.to_text(width);
    text += "\nmedian per module type\n" + types.to_text(width);
  }
  return text;
}

std::string terms_text(const Measurements& measurements) {
  std::size_t width = 0;
  for (const auto& [term, meaning] : measurements.terms) width = std::max(width, columns_of(term));
  std::string text;
  for (const auto& [term, meaning] : measurements.terms) {
    text += fmt::format("{}{:{}}{}\n", term, "", width - columns_of(term) + 2, meaning);
  }
  return text;
}

}  // namespace lorry::cli
