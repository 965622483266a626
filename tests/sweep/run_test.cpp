// Whole sweeps: each cell as if it were alone, and going on after an interruption.
#include "sweep/run.hpp"

#include <limits>

#include "core/error.hpp"
#include "io/interruption.hpp"
#include "model/initialize.hpp"
#include "sweep/sweep_fixture.hpp"

namespace lorry::sweep {
namespace {

namespace fs = std::filesystem;

constexpr const char* kAdapter = "adapter_model.safetensors";
constexpr const char* kModel = "model.safetensors";

class SweepRun : public Sweep {
 protected:
  fs::path cell(const std::string& name) { return folder_ / "out" / "cells" / name; }
  /// What train::run_training makes of the same options.
  std::string alone(const train::TrainOptions& options, const char* file) {
    train::TrainOptions own = options;
    own.out = folder_ / fmt::format("alone {}", ++runs_);
    train::run_training(own, {});
    return io::get(own.out / file);
  }
  std::string error(const Request& request) {
    return io::error_of([&] { sweep(request); });
  }
  /// As --replace: the one cell there is counts for nothing, is trained anew, and is finished then.
  Results replace(const Request& request) {
    const CellStore store(folder_ / "out", CellStore::Access::kWrite);
    train::RunInputs inputs = open();
    const Plan plan = make_plan(request, *inputs.model.decoder);
    Results results = find_finished(plan, inputs, store, ChangedCells::kReplace);
    EXPECT_FALSE(results[0].has_value());
    run_cells(plan, inputs, store, {}, results);
    EXPECT_TRUE(find_finished(plan, inputs, store, ChangedCells::kRefuse)[0].has_value());
    return results;
  }

  int runs_ = 0;
};

TEST_F(SweepRun, CellsEqualRunsOfTheirOwnAndLeaveTheBaseAsItWas) {
  const std::string base = io::get(options_.model / kModel);
  const Request request = Sweep::request({lora("q_proj", 2), full(), lora("q_proj,v_proj", 4)}, {1, 5});
  sweep(request);
  EXPECT_EQ(io::get(options_.model / kModel), base);
  train::RunInputs inputs = open();
  const Plan plan = make_plan(request, *inputs.model.decoder);
  ASSERT_EQ(plan.cells.size(), 6U);
  for (const Cell& made : plan.cells) {
    const char* file = made.options.method == train::Method::kFull ? kModel : kAdapter;
    EXPECT_EQ(io::get(cell(made.name) / file), alone(made.options, file)) << made.name;
  }
  EXPECT_NE(io::get(cell(plan.cells[0].name) / kAdapter), io::get(cell(plan.cells[1].name) / kAdapter));
  EXPECT_NE(io::get(cell(plan.cells[2].name) / kModel), base);
  EXPECT_TRUE(fs::exists(cell(plan.cells[2].name) / "tokenizer.json"));
}

TEST_F(SweepRun, ResultsAreThoseOfTheRun) {
  const Results results = sweep(Sweep::request({lora("q_proj", 2)}));
  train::TrainOptions own = options_;
  own.out = folder_ / "alone";
  own.seed = 1;
  own.lora.r = 2;
  own.lora.lora_alpha = 2;
  own.lora.target_modules = model::parse_target_modules("q_proj");
  const train::RunResult run = train::run_training(own, {});
  ASSERT_TRUE(results[0].has_value());
  EXPECT_EQ(results[0]->loss, run.loss);
  EXPECT_EQ(results[0]->held_out_loss(), run.last_evaluation->loss);
  EXPECT_EQ(results[0]->steps, 3);
  ASSERT_EQ(results[0]->held_out.size(), 3U);
  EXPECT_EQ(results[0]->held_out[0].loss, run.first_evaluation->loss);
  EXPECT_EQ(results[0]->held_out[1].step, 2);
  ASSERT_EQ(results[0]->training.size(), 3U);
  EXPECT_EQ(results[0]->training[2].loss, run.loss);
  EXPECT_EQ(results[0]->failure, "");
  EXPECT_GT(results[0]->tokens_per_second, 0);
  const CellResult read = read_cell_result(cell("q_proj-r2-alpha2-lr0.01-seed1"));
  EXPECT_EQ(io::Json(to_json(*results[0], "x")), io::Json(to_json(read, "x")));
}

TEST_F(SweepRun, GoesOnAfterAKill) {
  const Request request = Sweep::request({lora("q_proj", 2), lora("v_proj", 2)}, {1, 2});
  io::run_and_kill([&] {
    // Dies in the middle of the third cell.
    sweep(request, {.on_cell = {},
                    .on_start = {},
                    .on_step =
                        [](Index cell, const train::StepReport& report) {
                          if (cell == 2 && report.step == 2) ::raise(SIGKILL);
                        },
                    .on_finish = {}});
  });
  const fs::path first = cell("q_proj-r2-alpha2-lr0.01-seed1");
  const fs::path third = cell("v_proj-r2-alpha2-lr0.01-seed1");
  ASSERT_TRUE(fs::exists(first / kResultFile));
  EXPECT_FALSE(fs::exists(third));
  const auto written = fs::last_write_time(first / kResultFile);
  const auto made = fs::last_write_time(first);

  std::vector<Index> trained;
  const Results results = sweep(request, {.on_cell = [&](Index cell) { trained.push_back(cell); },
                                          .on_start = {},
                                          .on_step = {},
                                          .on_finish = {}});
  EXPECT_EQ(trained, (std::vector<Index>{2, 3}));
  EXPECT_EQ(fs::last_write_time(first / kResultFile), written);
  EXPECT_EQ(fs::last_write_time(first), made);
  for (const auto& result : results) EXPECT_TRUE(result.has_value());
  // Nothing of the killed process is left, and its cell is as if it had never begun.
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_ / "out" / "cells"), fs::directory_iterator()), 4);
  train::RunInputs inputs = open();
  const Plan plan = make_plan(request, *inputs.model.decoder);
  EXPECT_EQ(io::get(third / kAdapter), alone(plan.cells[2].options, kAdapter));
}

#ifndef LORRY_SANITIZED  // there freed memory stays resident
TEST_F(SweepRun, CellsShareOneCopyOfTheWeightsAndLeaveNothingBehind) {
  const fs::path file = options_.model / kModel;
  io::Json config = io::read_json_file(options_.model / "config.json");
  config["hidden_size"] = 256;
  config["intermediate_size"] = 1536;
  io::put(options_.model / "config.json", config.dump());
  model::write_random_weights(file, model::load_model_config(options_.model), 0.05F, DType::kF32, 3,
                              [](Index, Index) {});
  const auto weights = static_cast<Index>(fs::file_size(file));
  ASSERT_GT(weights, 10'000'000);
  options_.steps = 1;
  options_.batch_size = 1;
  for (const Request& request : {Sweep::request({lora("q_proj", 1), lora("v_proj", 1)}, {1, 2}),
                                 Sweep::request({full()}, {1, 2, 3})}) {
    const Results results = sweep(request);
    EXPECT_LT(results.back()->peak_rss_bytes - results.front()->peak_rss_bytes, weights / 4);
  }
}
#endif

TEST_F(SweepRun, OtherRowsMayComeAndGo) {
  sweep(Sweep::request({lora("q_proj", 2), lora("v_proj", 2)}));
  std::vector<Index> trained;
  const Request request = Sweep::request({lora("o_proj", 2), lora("v_proj", 2)});
  sweep(request, {.on_cell = [&](Index cell) { trained.push_back(cell); },
                  .on_start = {},
                  .on_step = {},
                  .on_finish = {}});
  EXPECT_EQ(trained, std::vector<Index>{0});
  EXPECT_TRUE(fs::exists(cell("q_proj-r2-alpha2-lr0.01-seed1")));
}

TEST_F(SweepRun, ChangedSettingsAndDataAreRefusedOrReplaced) {
  sweep(Sweep::request({lora("q_proj", 2)}));
  const fs::path folder = cell("q_proj-r2-alpha2-lr0.01-seed1");
  const std::string before = io::get(folder / kAdapter);
  options_.steps = 2;
  const Request shorter = Sweep::request({lora("q_proj", 2)});
  EXPECT_EQ(error(shorter), fmt::format("[sweep] {}: was trained with other settings (steps: 3, now 2); "
                                        "expected another --out, or --replace to train such cells anew",
                                        folder.string()));
  EXPECT_EQ(io::get(folder / kAdapter), before);
  EXPECT_EQ(replace(shorter)[0]->steps, 2);
  EXPECT_NE(io::get(folder / kAdapter), before);
  EXPECT_EQ(error(shorter), "no error");
  const std::string records = io::get(folder_ / "data" / "train.jsonl");
  io::put(folder_ / "data" / "train.jsonl", records + records);
  EXPECT_NE(error(shorter).find("(the content of data has changed)"), std::string::npos);
}

TEST_F(SweepRun, CellsThatCannotBeReadAreRefusedOrReplaced) {
  const Request request = Sweep::request({lora("q_proj", 2)});
  sweep(request);
  const fs::path file = cell("q_proj-r2-alpha2-lr0.01-seed1") / "result.json";
  for (const char* damaged : {"", "{}"}) {
    io::put(file, damaged);
    const std::string found = error(request);
    EXPECT_TRUE(found.find(file.string()) != std::string::npos &&
                found.ends_with(" (damaged? --replace trains this cell anew)"))
        << found;
    replace(request);
  }
}

TEST_F(SweepRun, DivergedCellsAreFinishedAndTheNextOneIsAsIfAlone) {
  RowRequest wild = full();
  wild.options.lr = 1e30;
  wild.options.max_grad_norm = 0;
  const Request request = Sweep::request({wild, lora("q_proj", 2)});
  const Results results = sweep(request);
  ASSERT_TRUE(results[0] && results[1]);
  EXPECT_NE(results[0]->failure.find("expected finite numbers"), std::string::npos) << results[0]->failure;
  EXPECT_FALSE(fs::exists(cell("full-lr1e+30-seed1") / kModel));
  EXPECT_EQ(results[1]->failure, "");
  train::RunInputs inputs = open();
  const Plan plan = make_plan(request, *inputs.model.decoder);
  EXPECT_EQ(io::get(cell(plan.cells[1].name) / kAdapter), alone(plan.cells[1].options, kAdapter));
  std::vector<Index> trained;
  sweep(request, {.on_cell = [&](Index index) { trained.push_back(index); },
                  .on_start = {},
                  .on_step = {},
                  .on_finish = {}});
  EXPECT_TRUE(trained.empty());
}

TEST_F(SweepRun, EveryRowIsCheckedBeforeTheFirstIsTrained) {
  const RowRequest good = lora("q_proj", 2);
  const auto expect_refused = [&](const RowRequest& bad, const std::string& message) {
    EXPECT_EQ(error(Sweep::request({good, bad})), message);
    EXPECT_TRUE(fs::is_empty(folder_ / "out" / "cells"));
  };
  RowRequest bad = lora("v_proj", 2);
  bad.options.batch_size = 0;
  expect_refused(bad, "[sweep] row 2 (v_proj r=2): [train] --batch-size: found 0; expected 1 to 1048576");
  bad = lora("v_proj", 2);
  bad.options.grad_accumulation_steps = 0;
  expect_refused(bad,
                 "[sweep] row 2 (v_proj r=2): [train] --grad-accumulation-steps: found 0; expected 1 to "
                 "1048576");
  bad = full();
  bad.options.epochs = 1e6;
  bad.options.steps.reset();
  expect_refused(bad,
                 "[sweep] row 2 (full): [train] --epochs: found 1000000; expected above 0, at most 10000");
  expect_refused(lora("v_proj", 1 << 21),
                 "[sweep] row 2 (v_proj r=2097152): [lora]: rank: found 2097152; expected at most 1048576");
  bad = lora("v_proj", 2);
  bad.exact_alpha = std::numeric_limits<double>::infinity();
  expect_refused(bad,
                 "[sweep] row 2 (v_proj r=2): [lora]: lora_alpha: found inf; expected a number other than "
                 "0, from 1e-30 to 1e30 in size");
  bad = lora("v_proj", 2);
  bad.options.optimizer.weight_decay = -1;
  expect_refused(bad,
                 "[sweep] row 2 (v_proj r=2): [train] --weight-decay: found -1; expected a finite number, at "
                 "least 0");
  bad = lora("v_proj", 2);
  bad.options.warmup_steps = -1;
  expect_refused(bad, "[sweep] row 2 (v_proj r=2): [train] --warmup-steps: found -1; expected at least 0");
}

TEST_F(SweepRun, OtherErrorsEndItWithNothingOfTheCellLeftAndNameIt) {
  const CellStore store(folder_ / "out", CellStore::Access::kWrite);
  train::RunInputs inputs = open();
  const Plan plan = make_plan(Sweep::request({lora("q_proj", 2)}), *inputs.model.decoder);
  Results results(1);
  const SweepObserver fails = {.on_cell = {},
                               .on_start = {},
                               .on_step = [](Index, const train::StepReport&) { throw Error("[disk] full"); },
                               .on_finish = {}};
  EXPECT_EQ(io::error_of([&] { run_cells(plan, inputs, store, fails, results); }),
            "[sweep] q_proj-r2-alpha2-lr0.01-seed1: [disk] full");
  EXPECT_TRUE(fs::is_empty(folder_ / "out" / "cells"));
}

TEST_F(SweepRun, TimeLeftFollowsFinishedCellsOfTheSameKind) {
  train::RunInputs inputs = open();
  const Plan plan = make_plan(Sweep::request({lora("q_proj", 2), lora("v_proj", 2), full()}, {1, 2}),
                              *inputs.model.decoder);
  Results results(6);
  EXPECT_FALSE(seconds_left(plan, results).has_value());
  results[0].emplace().wall_seconds = 10;
  EXPECT_DOUBLE_EQ(*seconds_left(plan, results), 50);  // nothing else is known
  results[2].emplace().wall_seconds = 20;
  results[4].emplace().wall_seconds = 100;
  // The second seed of each row like its first.
  EXPECT_DOUBLE_EQ(*seconds_left(plan, results), 10 + 20 + 100);
  results[2].reset();
  EXPECT_DOUBLE_EQ(*seconds_left(plan, results), 10 + 2 * 10 + 100);  // v_proj as the other LoRA row
}

}  // namespace
}  // namespace lorry::sweep
