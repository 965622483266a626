// `lorry sweep`: a YAML file of many runs to sweep::run_cells.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/shared_options.hpp"
#include "cli/stop_signals.hpp"
#include "cli/sweep_file.hpp"
#include "cli/sweep_report.hpp"
#include "cli/train_options.hpp"
#include "core/error.hpp"
#include "core/option_error.hpp"
#include "sweep/report_files.hpp"

namespace lorry::cli {

namespace {

constexpr const char* kSweepNotes =
    R"(The file has options of lorry train by their names, for all cells, and what to try:
  grid:      lists of values, all combinations of which are tried; seed: [1, 2, 3] trains each with three seeds
    target_modules: {"W_q": q_proj, "W_q,W_v": "q_proj,v_proj"}
    rank: [1, 2, 4, 8]
  rows:      further settings one by one, such as
    - {method: full, lr: 2e-4}
  budget:    trainable parameters that every row shall have, or {rank: 8, target_modules: q_proj}: whole ranks
             are chosen to come nearest to it
A flag holds for every row. alpha is the first rank tried where nothing says otherwise.

Output: OUT/cells/NAME/ with an adapter or model, log.jsonl, train.yaml and result.json for each cell; report.html,
.md, .csv, .json, cells.csv and charts as .svg, renewed after each cell. The same command goes on where it was
interrupted: finished cells are not trained again.

Examples:
  lorry sweep --config ranks.yaml --out ranks --dry-run
  lorry sweep --config ranks.yaml --out ranks
  lorry sweep --config ranks.yaml --out quick --steps 5 --seed 1
)";

struct SweepFlags {
  train::TrainOptions train;
  std::filesystem::path config;
  sweep::AlphaRule alpha_rule = sweep::AlphaRule::kFixed;
  bool dry_run = false;
  bool replace = false;
  bool json = false;
};

/// What reports and cells are written to must not be what they are made from.
void check_output(const train::TrainOptions& options) {
  std::error_code failure;
  if (!std::filesystem::equivalent(options.out, options.model, failure)) return;
  throw Error("[sweep] --out {}: is the model; expected a new folder", options.out.string());
}

/// A rule that no row's alpha follows would be ignored.
void check_alpha_rule(const OptionTable& table, const sweep::Request& request) {
  if (table.source("alpha-rule") == Source::kDefault) return;
  const bool any = std::any_of(request.rows.begin(), request.rows.end(), [](const sweep::RowRequest& row) {
    return row.options.method == train::Method::kLora && !row.exact_alpha;
  });
  if (any) return;
  throw OptionError(
      "[sweep] --alpha-rule: has no effect where every row has method full or an alpha of its own; expected "
      "it "
      "without");
}

/// Finished cells stay; the one at work is nothing yet.
void stop_if_asked(const sweep::Plan& plan, const sweep::Results& results) {
  if (StopSignals::received() == 0) return;
  const Index finished =
      std::count_if(results.begin(), results.end(), [](const auto& result) { return result.has_value(); });
  print_note(fmt::format("stopped: {} of {} cells are finished; the same command goes on with the next",
                         finished, plan.cells.size()));
  throw Interrupted{StopSignals::received()};
}

void train_cells(const sweep::Plan& plan, train::RunInputs& inputs, const sweep::CellStore& store,
                 sweep::Results& results) {
  const StopSignals signals("after this step");
  SweepReport report(plan);
  report.start(inputs, results);
  sweep::write_report(store.out(), plan, results);  // early: it must not fail after hours
  const sweep::SweepObserver observer = {
      .on_cell = [&](Index cell) { report.cell(cell, results); },
      .on_start = [&](Index /*cell*/, const train::RunPlan& run) { report.begin(run); },
      .on_step =
          [&](Index /*cell*/, const train::StepReport& step) {
            report.step(step);
            stop_if_asked(plan, results);
          },
      .on_finish =
          [&](Index cell, const sweep::Results& all) {
            report.finish(cell, all);
            sweep::write_report(store.out(), plan, all);
          }};
  sweep::run_cells(plan, inputs, store, observer, results);
}

void run(OptionTable& table, SweepFlags& flags) {
  sweep::Request request = read_sweep(flags.config, table, flags.train);
  check_alpha_rule(table, request);
  request.alpha_rule = flags.alpha_rule;
  for (const char* name : {"model", "data"}) table.find(name)->required = true;  // here or in the file
  table.check_required();
  check_output(flags.train);
  const sweep::CellStore store(
      flags.train.out, flags.dry_run ? sweep::CellStore::Access::kRead : sweep::CellStore::Access::kWrite);
  train::RunInputs inputs = train::open_inputs(flags.train);
  if (!inputs.eval_data) {
    throw Error("[sweep] --eval-data: found none; expected held-out data, by whose loss cells are compared");
  }
  const sweep::Plan plan = sweep::make_plan(request, *inputs.model.decoder);
  sweep::check_rows(plan, inputs);
  sweep::Results results = sweep::find_finished(
      plan, inputs, store, flags.replace ? sweep::ChangedCells::kReplace : sweep::ChangedCells::kRefuse);
  if (!flags.dry_run) train_cells(plan, inputs, store, results);
  if (flags.json) {
    io::OrderedJson json = flags.dry_run ? plan_json(plan, results) : sweep::report_json(plan, results);
    json["out"] = flags.train.out.string();
    print_json(json);
  } else if (flags.dry_run) {
    print_out(plan_text(plan, results));
  } else {
    print_out(sweep::report_text(plan, results) +
              fmt::format("\nreport: {}\n", (flags.train.out / "report.html").string()));
  }
}

}  // namespace

Command make_sweep_command() {
  const auto flags = std::make_shared<SweepFlags>();
  Command command{.name = "sweep",
                  .purpose = "Trains a grid of settings on one model and compares them.",
                  .notes = kSweepNotes};
  command.has_yaml = false;  // --config is an option of its own: the file has more than options
  OptionTable& table = command.options;
  table.group("Sweep");
  Option& config = table.add("config", "FILE", bind_path(flags->config), "YAML file of the sweep, see below");
  config.required = true;
  config.in_config = false;
  table.add(
      "alpha-rule", "NAME",
      bind_choice<sweep::AlphaRule>(flags->alpha_rule, {{"fixed", sweep::AlphaRule::kFixed},
                                                        {"equal-scale", sweep::AlphaRule::kEqualScale}}),
      "alpha over ranks: fixed (one for all), or equal-scale (it grows with the rank)");
  table.add("dry-run", "", bind_switch(flags->dry_run), "prints the cells and trains none").in_config = false;
  table
      .add("replace", "", bind_switch(flags->replace),
           "cells that cannot be read, or were trained with other settings or data, are trained anew, not "
           "refused")
      .in_config = false;
  table.group("Model");
  table.add("model", "DIR", bind_path(flags->train.model),
            "Hugging Face folder (config.json, safetensors, tokenizer.json) or GGUF file");
  add_train_options(table, flags->train, "where cells and reports go; that of an unfinished sweep goes on");
  table.find("out")->in_config = false;
  table.find("data")->required = false;
  add_json_option(table, flags->json, "the result as one JSON object on standard output");
  command.run = [flags](OptionTable& options) { run(options, *flags); };
  return command;
}

}  // namespace lorry::cli
