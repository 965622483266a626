// Event files against messages that the real tensorboard made (scripts/golden/events.py), and of runs that
// were stopped, killed and taken up again.
#include "train/event_writer.hpp"

#include "train/event_message.hpp"
#include "train/event_support.hpp"
#include "train/resume_fixture.hpp"

namespace lorry::train {
namespace {

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

TEST(EventMessage, IsByteForByteWhatTensorboardsOwnProtocolBuffersAre) {
  const io::Json golden = io::read_json_file(LORRY_SOURCE_DIR "/tests/golden/events/reference.json");
  const auto bytes = [&](const char* name) { return from_hex(golden.at(name)); };
  EXPECT_EQ(first_event(1.5e9, "lorry train --out /tmp/ä"), bytes("first"));
  EXPECT_EQ(restart_event(1.5e9 + 0.25, 301), bytes("restart"));
  const std::vector<LogScalar> scalars = {{"train/loss", 2.345678}, {"train/learning_rate", 0.0}};
  EXPECT_EQ(scalars_event(1.7e9, Index{1} << 40, scalars), bytes("scalars"));
  std::string text;
  for (int i = 0; i < 20; ++i) text += "    héllo\n    world\n";
  EXPECT_EQ(text_event(1.7e9, 7, "samples/1", text), bytes("text"));
}

TEST(EventMessage, IsReadAgainAndDamageIsNotTakenForOne) {
  const std::string first = first_event(1.5e9, "me");
  ASSERT_TRUE(read_event(first));
  EXPECT_EQ(read_event(first)->writer, "me");
  EXPECT_FALSE(read_event(first)->has_summary);
  const std::string text = text_event(1, 300, "t", "x");
  EXPECT_EQ(read_event(text)->step, 300);
  EXPECT_TRUE(read_event(text)->has_summary);
  EXPECT_FALSE(read_event(first.substr(0, first.size() - 1)));
  EXPECT_FALSE(read_event("\x07"));  // a wire type that there is not
  EXPECT_FALSE(read_event("\xff\xff"));
}

TEST(LogScalars, AreTheNumbersOfALineUnderTensorboardsNames) {
  const auto line = io::OrderedJson::parse(
      R"({"step": 3, "xray": [{"module": "model.layers.0.mlp.up_proj", "delta_norm": 1.0, "settled": null},
          {"module": "model.layers.1.mlp.up_proj", "delta_norm": 4.0, "settled": 0.5},
          {"module": "model.layers.2.mlp.up_proj", "delta_norm": 3.0, "settled": 0.75},
          {"module": "lm_head", "delta_norm": 0.0, "settled": 0.0},
          {"module": "h.2.c_attn", "finite": false, "delta_norm": null}]})");
  std::vector<std::pair<std::string, double>> found;
  for (const LogScalar& scalar : log_scalars(line)) found.emplace_back(scalar.name, scalar.value);
  const std::vector<std::pair<std::string, double>> expected = {
      {"xray/delta_norm/mlp.up_proj", 3.0},
      {"xray/delta_norm/lm_head", 0.0},
      {"xray_layers/delta_norm/model.layers.0.mlp.up_proj", 1.0},
      {"xray_layers/delta_norm/model.layers.1.mlp.up_proj", 4.0},
      {"xray_layers/delta_norm/model.layers.2.mlp.up_proj", 3.0},
      {"xray_layers/delta_norm/lm_head", 0.0},
      {"xray/settled/mlp.up_proj", 0.625},
      {"xray_layers/settled/model.layers.1.mlp.up_proj", 0.5},
      {"xray_layers/settled/model.layers.2.mlp.up_proj", 0.75}};
  EXPECT_EQ(found, expected);
  EXPECT_TRUE(log_scalars(io::OrderedJson::parse(R"({"step": 3, "advice": []})")).empty());
}

/// A line of a step's log.
io::OrderedJson step_line(Index step) {
  return {{"step", step}, {"loss", 1.0 / static_cast<double>(step)}, {"lr", 0.5}, {"grad_norm", 2.0}};
}

using Points = std::vector<std::pair<std::int64_t, float>>;

class Events : public ::testing::Test {
 protected:
  /// A start of the run that logs the steps behind `done` up to `last`.
  void write(Index done, Index last, const std::filesystem::path& logging_dir = {}) const {
    EventWriter writer(folder_ / "out", logging_dir, done);
    for (Index step = done + 1; step <= last; ++step) writer.add(step_line(step));
  }
  [[nodiscard]] std::vector<std::int64_t> steps(const std::filesystem::path& folder) const {
    std::vector<std::int64_t> steps;
    auto curves = curves_in(folder);
    for (const auto& point : curves["train/loss"]) steps.push_back(point.first);
    return steps;
  }
  [[nodiscard]] std::vector<std::int64_t> steps() const { return steps(folder_ / "out" / "runs"); }

  io::ScratchFolder folder_;
};

TEST_F(Events, AFileSaysItsVersionItsWriterAndItsPoints) {
  write(0, 2);
  const auto files = event_files_in(folder_ / "out" / "runs");
  ASSERT_EQ(files.size(), 1U);
  EXPECT_EQ(files[0].filename().string().find("events.out.tfevents."), 0U) << files[0];
  const std::vector<ReadEvent> events = read_event_file(files[0]);
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[0].version, "brain.Event:2");
  EXPECT_EQ(events[0].writer, "lorry train --out " + std::filesystem::canonical(folder_ / "out").string());
  EXPECT_FALSE(events[0].restart);
  EXPECT_GT(events[1].time, 1.7e9);
  EXPECT_EQ(events[2].step, 2);
  const std::vector<std::pair<std::string, float>> scalars = {
      {"train/loss", 0.5F}, {"train/learning_rate", 0.5F}, {"train/grad_norm", 2.0F}};
  EXPECT_EQ(events[2].scalars, scalars);
}

TEST_F(Events, GoingOnCutsWhatLiesBehindTheCheckpointAndTellsReaders) {
  write(0, 7);
  write(4, 6);
  EXPECT_EQ(steps(), (std::vector<std::int64_t>{1, 2, 3, 4, 5, 6}));
  const auto files = event_files_in(folder_ / "out" / "runs");
  ASSERT_EQ(files.size(), 2U);
  const std::vector<ReadEvent> events = read_event_file(files[1]);
  EXPECT_TRUE(events.at(1).restart);
  EXPECT_EQ(events.at(1).step, 5);
  write(2, 9);
  EXPECT_EQ(steps(), (std::vector<std::int64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(event_files_in(folder_ / "out" / "runs").size(), 2U) << "one without points is no use";
}

TEST_F(Events, AFrameThatAKillCutShortGoesAtEveryLength) {
  for (const Index lost : {1, 4, 12, 20, 40}) {
    write(0, 5);
    const auto file = event_files_in(folder_ / "out" / "runs").at(0);
    const std::string bytes = io::get(file);
    io::put(file, bytes.substr(0, bytes.size() - static_cast<std::size_t>(lost)));
    write(4, 6);
    EXPECT_EQ(steps(), (std::vector<std::int64_t>{1, 2, 3, 4, 5, 6})) << lost;
  }
}

TEST_F(Events, StartingAfreshLeavesNothingOfBefore) {
  write(0, 5);
  write(0, 2);
  EXPECT_EQ(steps(), (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(event_files_in(folder_ / "out" / "runs").size(), 1U);
}

TEST_F(Events, AnotherFolderIsTheRunsOwnOrRefused) {
  const std::filesystem::path shared = folder_ / "logs";
  write(0, 5, shared);
  write(3, 6, shared);
  EXPECT_EQ(steps(shared), (std::vector<std::int64_t>{1, 2, 3, 4, 5, 6}));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out" / "runs"));
  const std::string before = io::get(event_files_in(shared).at(0));
  const std::string error = io::error_of([&] { EventWriter(folder_ / "other", shared, 0); });
  EXPECT_EQ(error.find("[train] --logging-dir " + shared.string() + ": found events.out.tfevents."), 0U)
      << error;
  EXPECT_NE(error.find(" of another run; expected a folder without events"), std::string::npos) << error;
  EXPECT_EQ(io::get(event_files_in(shared).at(0)), before);
}

class EventRun : public Resume {
 protected:
  /// Trains with event files beside the log, and stops before step `stop` + 1 (-1: never).
  RunResult observed(Index stop = -1) const {
    std::optional<EventWriter> events;
    Index done = -1;
    return run_training(options_, {.on_start =
                                       [&](const RunPlan& plan) {
                                         done = plan.first_step;
                                         events.emplace(options_.out, "", plan.first_step);
                                       },
                                   .on_step = [&](const StepReport& report) { done = report.step; },
                                   .on_log = [&](const io::OrderedJson& line) { events->add(line); },
                                   .stop_requested = [&] { return stop >= 0 && done >= stop; }});
  }
};

TEST_F(EventRun, WhereverARunStopsEveryPointOfItsLogIsThereOnce) {
  options_.resume = true;
  options_.save_steps = 2;
  for (const Index stop : {1, 3, 4}) observed(stop);
  observed();
  auto curves = curves_in(options_.out / "runs");
  std::map<std::string, Points> expected;
  for (const io::Json& line : log()) {
    const auto add = [&](const char* key, const char* tag) {
      if (line.contains(key)) expected[tag].emplace_back(line.at("step"), line.at(key).get<float>());
    };
    add("loss", "train/loss");
    add("lr", "train/learning_rate");
    add("grad_norm", "train/grad_norm");
    add("tokens_per_second", "train/tokens_per_second");
    add("eval_loss", "eval/loss");
    add("eval_perplexity", "eval/perplexity");
  }
  EXPECT_EQ(expected["train/loss"].size(), 6U);
  EXPECT_EQ(expected["eval/loss"].size(), 3U);
  EXPECT_EQ(curves, expected);
}

}  // namespace
}  // namespace lorry::train
