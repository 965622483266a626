#include "cli/xray_report.hpp"

#include <fmt/format.h>

#include <functional>
#include <limits>
#include <map>

#include "core/median.hpp"
#include "model/module_place.hpp"

namespace lorry::cli {

namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();  // report::Cell shows it as a dash

/// One figure of a module, kMissing where it was not measured.
struct XrayFigure {
  const char* title;
  int decimals;
  double (*get)(const train::XrayModule& module);
};

const std::vector<XrayFigure>& figures() {
  static const std::vector<XrayFigure> kFigures = {
      {"|ΔW|", 4, [](const train::XrayModule& m) { return m.figures.delta_norm; }},
      {"effective rank", 2,
       [](const train::XrayModule& m) { return m.figures.zero ? kMissing : m.figures.effective_rank; }},
      {"top direction %", 1,
       [](const train::XrayModule& m) { return m.figures.zero ? kMissing : 100.0 * m.figures.top_share; }},
      {"amplification", 2,
       [](const train::XrayModule& m) {
         return m.figures.amplification > 0 ? m.figures.amplification : kMissing;
       }},
      {"settled", 3,
       [](const train::XrayModule& m) { return m.figures.compared ? train::settled(m.figures) : kMissing; }},
      {"settled top", 3,
       [](const train::XrayModule& m) { return m.figures.compared ? m.figures.settled_top : kMissing; }},
  };
  return kFigures;
}

std::vector<report::Column> columns(const char* first, const char* second) {
  std::vector<report::Column> all = {{first, false}, {second, true}};
  for (const XrayFigure& figure : figures()) all.push_back({figure.title, true});
  return all;
}

report::Cell cell(double value, int decimals) {
  return {report::format_fixed(value, decimals), value};
}

}  // namespace

report::Table xray_kinds(const train::XrayReport& report) {
  std::vector<std::string> kinds;  // in model order
  std::map<std::string, std::vector<const train::XrayModule*>> members;
  for (const train::XrayModule& module : report.modules) {
    const std::string kind = model::place_of(module.figures.module).type;
    if (!members.contains(kind)) kinds.push_back(kind);
    members[kind].push_back(&module);
  }
  report::Table table(columns("x-ray, medians", "layers"));
  for (const std::string& kind : kinds) {
    std::vector<report::Cell> row = {kind, members[kind].size()};
    for (const XrayFigure& figure : figures()) {
      std::vector<double> values;
      for (const train::XrayModule* module : members[kind]) values.push_back(figure.get(*module));
      row.push_back(cell(median(std::move(values)), figure.decimals));
    }
    table.add_row(std::move(row));
  }
  return table;
}

report::Table xray_modules(const train::XrayReport& report) {
  report::Table table(columns("x-ray", "rank"));
  for (const train::XrayModule& module : report.modules) {
    std::vector<report::Cell> row = {module.figures.module, module.rank};
    for (const XrayFigure& figure : figures()) row.push_back(cell(figure.get(module), figure.decimals));
    table.add_row(std::move(row));
  }
  return table;
}

std::string advice_text(const std::vector<train::Advice>& advice) {
  if (advice.empty())
    return "advice: none; rank and modules fit, and the directions have settled (how far the loss could "
           "still fall is not known)\n";
  std::string text;
  for (const train::Advice& one : advice) text += fmt::format("advice: {}\n", one.text);
  return text;
}

}  // namespace lorry::cli
