#include "sweep/report_files.hpp"

#include <fmt/ranges.h>

#include <algorithm>

#include "io/text_file.hpp"
#include "report/number.hpp"
#include "report/page.hpp"
#include "report/svg_file.hpp"
#include "sweep/charts.hpp"
#include "sweep/tables.hpp"
#include "train/settings.hpp"

namespace lorry::sweep {

namespace {

using Facts = std::vector<std::pair<std::string, std::string>>;

constexpr const char* kLegend =
    "Held-out loss in nats per token and perplexity, after the last step: mean over seeds ± standard "
    "deviation (of the sample, n - 1). * marks the lowest mean of the rows that are complete, and those "
    "above it by no more than one standard deviation (the larger of the two), which chance may have parted "
    "from it; of one seed nothing is known of chance.";

Index count_finished(const Results& results) {
  return std::count_if(results.begin(), results.end(), [](const auto& result) { return result.has_value(); });
}

std::string without_underscores(std::string name) {
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

/// What all cells have in common.
Facts facts_of(const Plan& plan, const Results& results) {
  Facts facts;
  std::vector<std::uint64_t> seeds;
  for (Index i = 0; i < plan.seeds; ++i) {
    seeds.push_back(plan.cells[static_cast<std::size_t>(i)].options.seed);
  }
  const io::OrderedJson first = train::settings_of(plan.rows.front().options);
  const train::TrainOptions& options = plan.rows.front().options;
  facts.emplace_back("model", options.model.string());
  facts.emplace_back("data", options.data.text());
  if (!options.eval_data.empty()) facts.emplace_back("held-out data", options.eval_data.text());
  for (const auto& [key, value] : first.items()) {
    const bool shared =
        std::all_of(plan.rows.begin(), plan.rows.end(), [&, &name = key, &text = value](const Row& row) {
          const io::OrderedJson settings = train::settings_of(row.options);
          return settings.contains(name) && settings[name] == text;
        });
    if (!shared || key == "seed") continue;
    facts.emplace_back(without_underscores(key), value.is_string() ? value.get<std::string>() : value.dump());
  }
  facts.emplace_back("seeds", fmt::format("{}", fmt::join(seeds, ", ")));
  facts.emplace_back("cells", fmt::format("{} of {} finished", count_finished(results), plan.cells.size()));
  for (const auto& result : results) {
    if (!result || result->held_out.empty()) continue;
    facts.emplace_back("held-out loss before training",
                       report::format_fixed(result->held_out.front().loss, kLossDecimals));
    break;
  }
  return facts;
}

std::vector<report::Table> paper_tables(const Plan& plan, const std::vector<RowSummary>& rows) {
  std::vector<report::Table> tables = rank_tables(plan, rows);
  if (const auto table = budget_table(plan, rows)) tables.push_back(*table);
  return tables;
}

/// Cells that stopped early, and why.
std::vector<std::string> failures_of(const Plan& plan, const Results& results) {
  std::vector<std::string> failures;
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (!results[i] || results[i]->failure.empty()) continue;
    failures.push_back(fmt::format("{} diverged: {}", plan.cells[i].name, results[i]->failure));
  }
  return failures;
}

io::OrderedJson spread_json(const std::optional<Spread>& spread) {
  if (!spread) return nullptr;
  io::OrderedJson json = {{"mean", spread->mean}, {"deviation", nullptr}, {"n", spread->n}};
  if (spread->deviation) json["deviation"] = *spread->deviation;
  return json;
}

io::OrderedJson curve_json(const std::vector<CurveSpread>& curve) {
  io::OrderedJson json = io::OrderedJson::array();
  for (const CurveSpread& point : curve) {
    io::OrderedJson item = spread_json(point.loss);
    item["step"] = point.step;
    json.push_back(std::move(item));
  }
  return json;
}

io::OrderedJson row_json(const Plan& plan, std::size_t index, const RowSummary& summary) {
  const Row& row = plan.rows[index];
  io::OrderedJson settings = train::settings_of(row.options);
  settings.erase("seed");
  io::OrderedJson cells = io::OrderedJson::array();
  io::OrderedJson seeds = io::OrderedJson::array();
  for (const Cell& cell : plan.cells) {
    if (cell.row != static_cast<Index>(index)) continue;
    cells.push_back(cell.name);
    seeds.push_back(cell.options.seed);
  }
  return {{"row", row.label},
          {"settings", std::move(settings)},
          {"trainable_parameters", row.trainable_parameters},
          {"seeds", std::move(seeds)},
          {"cells", std::move(cells)},
          {"finished", summary.finished},
          {"diverged", summary.failed},
          {"eval_loss", spread_json(summary.loss)},
          {"eval_losses", summary.losses},
          {"perplexity", spread_json(summary.perplexity)},
          {"seconds", spread_json(summary.seconds)},
          {"tokens_per_second", spread_json(summary.tokens_per_second)},
          {"best", summary.best},
          {"near_best", summary.near_best},
          {"eval_curve", curve_json(summary.held_out)},
          {"training_curve", curve_json(summary.training)}};
}

std::string markdown(const Plan& plan, const Results& results, const std::vector<RowSummary>& rows,
                     const std::vector<Chart>& charts) {
  report::Table facts({{.title = "setting"}, {.title = "value"}});
  for (const auto& [name, value] : facts_of(plan, results)) facts.add_row({name, value});
  std::string text = fmt::format("# Sweep\n\n{}\n{}\n\n{}\n\n{}", facts.to_markdown(), rules_text(plan),
                                 kLegend, row_table(plan, rows).to_markdown());
  for (const report::Table& table : paper_tables(plan, rows)) {
    text += fmt::format("\n{}", table.to_markdown());
  }
  for (const std::string& failure : failures_of(plan, results)) text += fmt::format("\n{}\n", failure);
  for (const Chart& chart : charts) text += fmt::format("\n![{}]({}.svg)\n", chart.caption, chart.name);
  return text;
}

std::string page(const Plan& plan, const Results& results, const std::vector<RowSummary>& rows,
                 const std::vector<Chart>& charts) {
  report::Page document("Sweep");
  report::Content& setup = document.section("Setup");
  setup.facts(facts_of(plan, results));
  if (!rules_text(plan).empty()) setup.paragraph(rules_text(plan));
  report::Content& figures = document.section("Results");
  figures.paragraph(kLegend);
  figures.table(row_table(plan, rows));
  for (const std::string& failure : failures_of(plan, results)) figures.paragraph(failure);
  for (const report::Table& table : paper_tables(plan, rows)) figures.table(table);
  if (charts.empty()) return document.to_html();
  report::Content& pictures = document.section("Charts");
  for (std::size_t i = 0; i < charts.size();) {
    std::vector<std::string> alike;  // charts of one kind share a caption
    const std::string& caption = charts[i].caption;
    for (; i < charts.size() && charts[i].caption == caption; ++i) alike.push_back(charts[i].svg);
    pictures.charts(alike, caption);
  }
  return document.to_html();
}

/// Charts of an earlier plan that this one has not: they would be taken for its results.
void remove_other_charts(const std::filesystem::path& out, const std::vector<Chart>& charts) {
  for (const auto& entry : std::filesystem::directory_iterator(out)) {
    const std::filesystem::path& file = entry.path();
    const std::string name = file.stem().string();
    const bool wanted =
        std::any_of(charts.begin(), charts.end(), [&](const Chart& chart) { return chart.name == name; });
    if (file.extension() == ".svg" && is_chart_name(name) && !wanted) std::filesystem::remove(file);
  }
}

}  // namespace

io::OrderedJson report_json(const Plan& plan, const Results& results) {
  const std::vector<RowSummary> rows = summarise(plan, results);
  io::OrderedJson json = {{"cells", plan.cells.size()}, {"finished", count_finished(results)}};
  if (plan.budget > 0) json["budget"] = plan.budget;
  json["rows"] = io::OrderedJson::array();
  for (std::size_t i = 0; i < rows.size(); ++i) json["rows"].push_back(row_json(plan, i, rows[i]));
  return json;
}

std::string report_text(const Plan& plan, const Results& results) {
  const std::vector<RowSummary> rows = summarise(plan, results);
  std::string text = row_table(plan, rows).to_text();
  for (const report::Table& table : paper_tables(plan, rows)) {
    text += fmt::format("\n{}", table.to_text());
  }
  for (const std::string& failure : failures_of(plan, results)) text += failure + "\n";
  return text + fmt::format("\n{}\n{}\n", kLegend, rules_text(plan));
}

void write_report(const std::filesystem::path& out, const Plan& plan, const Results& results) {
  const std::vector<RowSummary> rows = summarise(plan, results);
  const std::vector<Chart> charts = make_charts(plan, rows);
  for (const Chart& chart : charts)
    io::write_text_file(out / (chart.name + ".svg"), report::svg_file(chart.svg));
  remove_other_charts(out, charts);
  io::write_text_file(out / "report.md", markdown(plan, results, rows, charts));
  io::write_text_file(out / "report.csv", row_table(plan, rows).to_csv());
  io::write_text_file(out / "cells.csv", cell_table(plan, results).to_csv());
  io::write_json_file(out / "report.json", report_json(plan, results));
  io::write_text_file(out / "report.html", page(plan, results, rows, charts));
}

}  // namespace lorry::sweep
