#include "cli/sweep_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/output.hpp"
#include "report/table.hpp"
#include "sweep/tables.hpp"
#include "train/settings.hpp"

namespace lorry::cli {

namespace {

Index count_finished(const sweep::Results& results) {
  return std::count_if(results.begin(), results.end(), [](const auto& result) { return result.has_value(); });
}

std::string time_left(const sweep::Plan& plan, const sweep::Results& results) {
  const Index left = std::ssize(results) - count_finished(results);
  if (left == 0) return "all cells are finished";
  const std::optional<double> seconds = sweep::seconds_left(plan, results);
  const std::string time =
      seconds ? fmt::format("about {}", format_duration(*seconds)) : "time known after the first one";
  return fmt::format("{} of {} cells left, {}", left, results.size(), time);
}

}  // namespace

void SweepReport::start(const train::RunInputs& inputs, const sweep::Results& results) {
  print_note(fmt::format("{:<10}{} rows of {} seeds; {}", "sweep", plan_.rows.size(), plan_.seeds,
                         time_left(plan_, results)));
  print_note(fmt::format("{:<10}{} documents of {} tokens, held out {} tokens", "data",
                         inputs.data.statistics.documents, inputs.data.statistics.tokens,
                         inputs.eval_data->statistics.tokens));
  const std::string rules = sweep::rules_text(plan_);
  if (!rules.empty()) print_note(fmt::format("{:<10}{}", "rules", rules));
  for (const std::string& warning : plan_.warnings) print_note("warning: " + warning);
}

void SweepReport::cell(Index cell, const sweep::Results& results) {
  title_ = fmt::format("cell {}/{}", cell + 1, plan_.cells.size());
  seconds_left_ = sweep::seconds_left(plan_, results);
  watch_ = Stopwatch();
  print_note(fmt::format("{}  {}", title_, plan_.cells[static_cast<std::size_t>(cell)].name));
}

void SweepReport::begin(const train::RunPlan& plan) {
  for (const std::string& warning : plan.warnings) {
    if (warnings_.insert(warning).second) print_note("warning: " + warning);
  }
  progress_ = std::make_unique<Progress>(title_ + " step", plan.steps);
}

void SweepReport::step(const train::StepReport& report) {
  std::string detail = fmt::format("loss {:.4f}", report.loss);
  if (seconds_left_) {
    detail += "  sweep left " + format_duration(std::max(0.0, *seconds_left_ - watch_.seconds()));
  }
  progress_->update(report.step, detail);
}

void SweepReport::finish(Index cell, const sweep::Results& results) {
  const sweep::CellResult& result = *results[static_cast<std::size_t>(cell)];
  progress_.reset();
  const std::string outcome =
      result.failure.empty() ? fmt::format("held-out loss {:.{}f} (perplexity {:.{}f}), {:.0f} tokens/s, {}",
                                           result.held_out_loss(), sweep::kLossDecimals,
                                           std::exp(result.held_out_loss()), sweep::kPerplexityDecimals,
                                           result.tokens_per_second, format_duration(result.wall_seconds))
                             : result.failure;
  print_note(fmt::format("{}  {}; {}", title_, outcome, time_left(plan_, results)));
}

std::string plan_text(const sweep::Plan& plan, const sweep::Results& results) {
  report::Table table({{.title = "cell"},
                       {.title = "row"},
                       {.title = "rank", .numeric = true},
                       {.title = "alpha", .numeric = true},
                       {.title = "lr", .numeric = true},
                       {.title = "parameters", .numeric = true},
                       {.title = "seconds", .numeric = true},
                       {.title = "state"}});
  for (std::size_t i = 0; i < plan.cells.size(); ++i) {
    const sweep::Cell& cell = plan.cells[i];
    const sweep::Row& row = plan.rows[static_cast<std::size_t>(cell.row)];
    const bool lora = row.options.method == train::Method::kLora;
    const report::Cell none{std::string()};
    table.add_row({cell.name, row.label, lora ? report::Cell(row.options.lora.r) : none,
                   lora ? sweep::setting_cell(row.options.lora.lora_alpha) : none,
                   sweep::setting_cell(row.options.learning_rate()), row.trainable_parameters,
                   results[i] ? report::Cell(static_cast<Index>(std::round(results[i]->wall_seconds))) : none,
                   results[i] ? "finished" : "to do"});
  }
  std::string text = fmt::format("{}\n{}\n", table.to_text(), time_left(plan, results));
  for (const std::string& warning : plan.warnings) text += fmt::format("warning: {}\n", warning);
  return text + sweep::rules_text(plan) + "\n";
}

io::OrderedJson plan_json(const sweep::Plan& plan, const sweep::Results& results) {
  io::OrderedJson json = {{"cells", io::OrderedJson::array()}, {"seconds_left", nullptr}};
  for (std::size_t i = 0; i < plan.cells.size(); ++i) {
    const sweep::Cell& cell = plan.cells[i];
    const sweep::Row& row = plan.rows[static_cast<std::size_t>(cell.row)];
    json["cells"].push_back({{"cell", cell.name},
                             {"row", row.label},
                             {"settings", train::settings_of(cell.options)},
                             {"trainable_parameters", row.trainable_parameters},
                             {"finished", results[i].has_value()}});
  }
  if (const auto seconds = sweep::seconds_left(plan, results)) json["seconds_left"] = *seconds;
  return json;
}

}  // namespace lorry::cli
