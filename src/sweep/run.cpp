#include "sweep/run.hpp"

#include <malloc.h>

#include <algorithm>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/option_error.hpp"
#include "io/atomic_folder.hpp"
#include "io/text_file.hpp"
#include "sweep/cell_yaml.hpp"
#include "train/check_run.hpp"
#include "train/diverged.hpp"
#include "train/settings.hpp"

namespace lorry::sweep {

namespace {

namespace fs = std::filesystem;

/// Training losses of a run, in at most kMostPoints stretches of equally many steps.
class TrainingCurve {
 public:
  void add(const train::StepReport& report) {
    constexpr Index kMostPoints = 100;
    const Index stretch = (report.total_steps + kMostPoints - 1) / kMostPoints;
    sum_ += report.loss;
    ++count_;
    if (count_ < stretch && report.step < report.total_steps) return;
    points_.push_back({report.step, sum_ / static_cast<double>(count_)});
    sum_ = 0;
    count_ = 0;
  }
  [[nodiscard]] const std::vector<CurvePoint>& points() const noexcept { return points_; }

 private:
  std::vector<CurvePoint> points_;
  double sum_ = 0;
  Index count_ = 0;
};

/// The run itself locks its folder, as the atomic folder around it is locked already, so it works in one
/// below.
CellResult train_cell(Index index, const Cell& cell, train::RunInputs& inputs, const fs::path& folder,
                      const SweepObserver& observer) {
  const Stopwatch watch;
  CellResult result;
  TrainingCurve curve;
  train::TrainOptions options = cell.options;
  options.out = folder / "run";
  const train::RunObserver run_observer = {.on_start =
                                               [&](const train::RunPlan& plan) {
                                                 result.trainable_parameters = plan.trainable_parameters;
                                                 if (observer.on_start) observer.on_start(index, plan);
                                               },
                                           .on_step =
                                               [&](const train::StepReport& report) {
                                                 curve.add(report);
                                                 result.steps = report.step;
                                                 result.loss = report.loss;
                                                 if (observer.on_step) observer.on_step(index, report);
                                               },
                                           .on_evaluation =
                                               [&](Index step, const train::Evaluation& evaluation) {
                                                 result.held_out.push_back({step, evaluation.loss});
                                               }};
  try {
    const train::RunResult run = train::run_on(inputs, options, run_observer);
    result.seconds = run.seconds;
    result.tokens_per_second = run.tokens_per_second;
  } catch (const train::Diverged& diverged) {
    if (result.held_out.empty()) throw;  // before any training: the model itself is broken
    result.failure = diverged.what();
  }
  for (const auto& entry : fs::directory_iterator(options.out)) {
    fs::rename(entry.path(), folder / entry.path().filename());
  }
  fs::remove(options.out);
  result.training = curve.points();
  result.peak_rss_bytes = peak_rss_bytes();
  result.wall_seconds = watch.seconds();
  return result;
}

/// The same; an Error says which cell it is about.
CellResult train_named(Index index, const Cell& cell, train::RunInputs& inputs, const fs::path& folder,
                       const SweepObserver& observer) {
  try {
    return train_cell(index, cell, inputs, folder, observer);
  } catch (const Error& error) {
    throw Error("[sweep] {}: {}", cell.name, error.what());
  }
}

/// A cell whose result cannot be read is as one trained with other settings: refused, or trained anew.
std::optional<CellResult> find_readable(const CellStore& store, const std::string& cell,
                                        ChangedCells changed) {
  try {
    return store.find(cell);
  } catch (const Error& error) {
    if (changed == ChangedCells::kReplace) return std::nullopt;
    throw Error("{} (damaged? --replace trains this cell anew)", error.what());
  }
}

std::optional<double> mean_wall_seconds(const Plan& plan, const Results& results,
                                        const std::function<bool(const Cell&)>& like) {
  double sum = 0;
  Index count = 0;
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (!results[i] || !like(plan.cells[i])) continue;
    sum += results[i]->wall_seconds;
    ++count;
  }
  if (count == 0) return std::nullopt;
  return sum / static_cast<double>(count);
}

}  // namespace

void check_rows(const Plan& plan, const train::RunInputs& inputs) {
  for (std::size_t i = 0; i < plan.rows.size(); ++i) {
    try {
      train::check_run(inputs, plan.rows[i].options);
    } catch (const OptionError& error) {
      throw OptionError("[sweep] row {} ({}): {}", i + 1, plan.rows[i].label, error.what());
    } catch (const Error& error) {
      throw Error("[sweep] row {} ({}): {}", i + 1, plan.rows[i].label, error.what());
    }
  }
}

Results find_finished(const Plan& plan, const train::RunInputs& inputs, const CellStore& store,
                      ChangedCells changed) {
  Results results(plan.cells.size());
  if (plan.cells.empty()) return results;
  const io::Json now = train::inputs_of(plan.cells.front().options, inputs);
  for (std::size_t i = 0; i < plan.cells.size(); ++i) {
    const Cell& cell = plan.cells[i];
    std::optional<CellResult> found = find_readable(store, cell.name, changed);
    if (!found) continue;
    std::string what = train::difference(found->inputs, now);
    if (what.empty()) what = train::difference(found->settings, train::settings_of(cell.options));
    if (what.empty()) {
      results[i] = std::move(found);
    } else if (changed == ChangedCells::kRefuse) {
      throw Error(
          "[sweep] {}: was trained with other settings ({}); expected another --out, or --replace to "
          "train such cells anew",
          store.folder(cell.name).string(), what);
    }
  }
  return results;
}

void run_cells(const Plan& plan, train::RunInputs& inputs, const CellStore& store,
               const SweepObserver& observer, Results& results) {
  check_rows(plan, inputs);
  const auto first = std::find(results.begin(), results.end(), std::nullopt);
  if (first == results.end()) return;
  const io::OrderedJson read = train::inputs_of(plan.cells.front().options, inputs);
  for (std::size_t i = 0; i < plan.cells.size(); ++i) {
    if (results[i]) continue;
    const Cell& cell = plan.cells[i];
    const auto index = static_cast<Index>(i);
    if (observer.on_cell) observer.on_cell(index);
    // Else holes that earlier cells left in the heap stay resident: twice the weights after a few cells.
    ::malloc_trim(0);
    // What is there was refused already, or is to be replaced.
    io::AtomicFolder folder(store.folder(cell.name), io::ExistingFolder::kReplace);
    CellResult result = train_named(index, cell, inputs, folder.path(), observer);
    result.settings = train::settings_of(cell.options);
    result.inputs = read;
    io::write_text_file(folder.path() / "train.yaml", train_yaml(cell.options));
    io::write_json_file(folder.path() / kResultFile, to_json(result, cell.name));
    folder.commit();
    results[i] = std::move(result);
    if (observer.on_finish) observer.on_finish(index, results);
  }
}

std::optional<double> seconds_left(const Plan& plan, const Results& results) {
  double sum = 0;
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i]) continue;
    const Cell& cell = plan.cells[i];
    auto mean = mean_wall_seconds(plan, results, [&](const Cell& other) { return other.row == cell.row; });
    if (!mean) {
      mean = mean_wall_seconds(
          plan, results, [&](const Cell& other) { return other.options.method == cell.options.method; });
    }
    if (!mean) mean = mean_wall_seconds(plan, results, [](const Cell&) { return true; });
    if (!mean) return std::nullopt;
    sum += *mean;
  }
  return sum;
}

}  // namespace lorry::sweep
