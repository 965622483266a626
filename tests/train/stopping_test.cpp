// Checkpoints that stay and those that go, the best one, and when a run has learned enough.
#include <fmt/format.h>

#include "train/resume_fixture.hpp"

namespace lorry::train {
namespace {

TEST_F(Resume, RotationKeepsTheNewestAndTheBest) {
  options_.steps = 10;
  options_.save_steps = 2;
  options_.save_total_limit = 2;
  options_.eval_steps = 0;
  train();
  EXPECT_EQ(checkpoints(), (std::vector<Index>{8, 10}));
  options_.out = folder_ / "best";
  options_.eval_steps = 1;
  options_.load_best_model_at_end = true;
  options_.lr = 0.05;  // too much: the held-out loss falls twice and rises then
  options_.lr_scheduler = optim::ScheduleKind::kConstant;
  const RunResult result = train();
  ASSERT_TRUE(result.best);
  ASSERT_LT(result.best->step, 8);  // else this shows nothing
  EXPECT_EQ(checkpoints(), (std::vector<Index>{result.best->step, 8, 10}));
  const std::filesystem::path best = checkpoint_folder(options_.out, result.best->step);
  const std::string weights = get(options_.out / "adapter_model.safetensors");
  EXPECT_TRUE(weights == get(best / "adapter_model.safetensors"));
  EXPECT_FALSE(weights == get(options_.out / "checkpoint-10" / "adapter_model.safetensors"));
}

TEST_F(Resume, TheBestIsTheLowestLossInTheLog) {
  options_.steps = 8;
  options_.eval_steps = 2;
  options_.lr = 0.05;
  options_.load_best_model_at_end = true;
  const RunResult result = train();
  double lowest = 1e9;
  Index step = 0;
  for (const io::Json& line : log()) {
    if (!line.contains("eval_loss") || line.at("step") == 0 || line.at("eval_loss") >= lowest) continue;
    lowest = line.at("eval_loss");
    step = line.at("step");
  }
  EXPECT_EQ(result.best->step, step);
  EXPECT_EQ(result.best->loss, lowest);
}

TEST_F(Resume, StopsAfterSoManyEvaluationsWithoutALowerLoss) {
  options_.steps = 50;
  options_.eval_steps = 1;
  options_.early_stopping_patience = 3;
  options_.save_total_limit = 1;
  options_.lr = 0.05;
  options_.lr_scheduler = optim::ScheduleKind::kConstant;
  const RunResult result = train();
  EXPECT_EQ(result.end, RunEnd::kStoppedEarly);
  EXPECT_LT(result.steps, 50);
  EXPECT_EQ(result.steps, result.best->step + 3);
  EXPECT_EQ(checkpoints(), (std::vector<Index>{result.best->step})) << "the best one is kept";
  EXPECT_EQ(log().back(),
            io::Json({{"step", result.steps},
                      {"early_stopping",
                       {{"best_step", result.best->step}, {"best_eval_loss", result.best->loss}}}}));
  // Without --load-best-model-at-end the result is that of the last step.
  EXPECT_FALSE(get(options_.out / "adapter_model.safetensors") ==
               get(checkpoint_folder(options_.out, result.best->step) / "adapter_model.safetensors"));
}

TEST_F(Resume, ChoosingNeedsHeldOutLossesOnTheWay) {
  options_.early_stopping_patience = 1;
  options_.eval_steps = 0;
  EXPECT_NE(error().find("--early-stopping-patience: found without --eval-steps"), std::string::npos)
      << error();
  options_.load_best_model_at_end = true;
  options_.data = folder_ / "data" / "train.jsonl";
  EXPECT_NE(error().find("--load-best-model-at-end: found without held-out data"), std::string::npos)
      << error();
  EXPECT_FALSE(std::filesystem::exists(options_.out));
}

TEST(RunState, AnEqualLossIsNoGain) {
  RunState state;
  state.step = 1;
  EXPECT_TRUE(state.add_evaluation({.loss = 2}));
  state.step = 2;
  EXPECT_FALSE(state.add_evaluation({.loss = 2}));
  state.step = 3;
  EXPECT_FALSE(state.add_evaluation({.loss = 3}));
  EXPECT_EQ(state.best->step, 1);
  EXPECT_EQ(state.evaluations_since_best, 2);
  EXPECT_TRUE(state.add_evaluation({.loss = 1}));
  EXPECT_EQ(state.evaluations_since_best, 0);
}

TEST(RunState, SurvivesItsFile) {
  const io::ScratchFolder folder;
  RunRecord record = {.state = {.step = 7,
                                .micro_steps = 13,
                                .data = {.epoch = 1, .index = 3},
                                .log_bytes = 12345,
                                .ended = true,
                                .best = RunState::Best{.step = 5, .loss = 0.1 + 0.2},
                                .evaluations_since_best = 2,
                                .loss = 1.0 / 3},
                      .settings = {{"lr", 0.1}},
                      .inputs = {{"model_digest", "00"}},
                      .cpu = "some CPU"};
  record.state.last_evaluation = {
      .loss = 2.0 / 3, .perplexity = std::exp(2.0 / 3), .tokens = 9, .seconds = 0.5};
  write_run_record(folder.path(), record);
  const RunRecord read = read_run_record(folder.path());
  EXPECT_EQ(read.state.step, 7);
  EXPECT_EQ(read.state.micro_steps, 13);
  EXPECT_EQ(read.state.data, (data::BatcherState{.epoch = 1, .index = 3}));
  EXPECT_EQ(read.state.log_bytes, 12345);
  EXPECT_TRUE(read.state.ended);
  EXPECT_EQ(read.state.best->step, 5);
  EXPECT_EQ(read.state.best->loss, 0.1 + 0.2);
  EXPECT_EQ(read.state.evaluations_since_best, 2);
  EXPECT_EQ(read.state.loss, 1.0 / 3);
  EXPECT_FALSE(read.state.first_evaluation);
  EXPECT_EQ(read.state.last_evaluation->perplexity, std::exp(2.0 / 3));
  EXPECT_EQ(read.cpu, "some CPU");
  const std::string text = get(folder / "trainer_state.json");
  const auto expect_refused = [&](const std::string& from, const std::string& to, const std::string& field) {
    std::string changed = text;
    changed.replace(changed.find(from), from.size(), to);
    put(folder / "trainer_state.json", changed);
    const std::string message = io::error_of([&] { read_run_record(folder.path()); });
    EXPECT_NE(message.find(field), std::string::npos) << message;
  };
  expect_refused("\"version\": 1", "\"version\": 2", "version");
  expect_refused("\"step\": 7", "\"step\": -7", "step");
  expect_refused("\"epoch\": 1", "\"epoch\": \"x\"", "epoch");
  expect_refused("\"ended\": true", "\"ended\": 1", "ended");
}

TEST(Checkpoints, AreFoundByTheirNames) {
  const io::ScratchFolder folder;
  for (const char* name : {"checkpoint-10", "checkpoint-9", "checkpoint-007", "checkpoint-", "checkpoint-x",
                           "checkpoint--1", "checkpoint-3.old-17", ".checkpoint-4.tmp-1-0"}) {
    std::filesystem::create_directory(folder / name);
  }
  put(folder / "checkpoint-11", "a file");
  EXPECT_EQ(find_checkpoints(folder.path()), (std::vector<Index>{9, 10}));
}

TEST(Checkpoints, LeftoversOfKilledRunsGo) {
  const io::ScratchFolder folder;
  for (const char* name :
       {".checkpoint-4.tmp-1-0", ".checkpoint-5.tmp-old", ".checkpoint-notes", "checkpoint-6"}) {
    std::filesystem::create_directory(folder / name);
    put(folder / name / "file", "content");
  }
  remove_unfinished_checkpoints(folder.path());
  EXPECT_EQ(folder.names(), (std::vector<std::string>{".checkpoint-notes", "checkpoint-6"}));
}

TEST(Checkpoints, RotationSparesTheBestAndTheNewest) {
  const io::ScratchFolder folder;
  for (const char* name : {"checkpoint-1", "checkpoint-2", "checkpoint-3", "checkpoint-10"}) {
    std::filesystem::create_directory(folder / name);
  }
  rotate_checkpoints(folder.path(), 0, std::nullopt);
  rotate_checkpoints(folder.path(), 4, std::nullopt);
  EXPECT_EQ(folder.names().size(), 4U);
  rotate_checkpoints(folder.path(), 1, 2);
  EXPECT_EQ(folder.names(), (std::vector<std::string>{"checkpoint-10", "checkpoint-2"}));
}

}  // namespace
}  // namespace lorry::train
