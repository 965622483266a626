// sweep/run.hpp: the cells of a plan, one after another on one opened model and one tokenised data set.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sweep/cell_store.hpp"
#include "sweep/plan.hpp"
#include "train/run.hpp"

namespace lorry::sweep {

/// In the order of Plan::cells; nothing where a cell is not finished.
using Results = std::vector<std::optional<CellResult>>;

/// What a sweep reports while it goes on; each may be empty. `cell` is a place in Plan::cells.
struct SweepObserver {
  std::function<void(Index cell)> on_cell;
  std::function<void(Index cell, const train::RunPlan&)> on_start;
  std::function<void(Index cell, const train::StepReport&)> on_step;
  /// After each new cell, with all that are finished by then.
  std::function<void(Index cell, const Results&)> on_finish;
};

/// What to do with cells whose settings or inputs are other than when they were trained.
enum class ChangedCells { kRefuse, kReplace };

/// Throws Error naming the first row whose cells could not be trained: found before hours are spent on those
/// in front of it.
void check_rows(const Plan& plan, const train::RunInputs& inputs);

/// The finished cells of a plan. A changed one is an Error that says what changed, or counts as not finished.
Results find_finished(const Plan& plan, const train::RunInputs& inputs, const CellStore& store,
                      ChangedCells changed);

/// Checks all rows, then trains every cell that is not in `results`, and puts it there. A cell whose training
/// diverges is finished too, with the reason; every other Error ends the sweep, with nothing of its cell
/// left. Each result is bit for bit that of train::run_training with the cell's options.
void run_cells(const Plan& plan, train::RunInputs& inputs, const CellStore& store,
               const SweepObserver& observer, Results& results);

/// Seconds that the unfinished cells will take, from finished ones of the same row, else method, else any;
/// nothing where none is finished.
std::optional<double> seconds_left(const Plan& plan, const Results& results);

}  // namespace lorry::sweep
