// Optimisers, schedules, smoothing and noise from the command line: names, repeatability, mistakes.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <sstream>

#include "cli/tiny_model_test.hpp"
#include "io/json_file.hpp"

namespace lorry::cli {
namespace {

class OptimizerOptions : public TinyModelTest {
 protected:
  /// The adapter that a run with these options makes.
  static std::string adapter(const std::string& out, const Arguments& more) {
    const Outcome outcome = train(out, more);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return io::get(path(out) + "/adapter_model.safetensors");
  }
  static void expect_error(const Arguments& more, const std::string& words) {
    expect_refusal(train("wrong", more), words, "wrong");
  }
};

TEST_F(OptimizerOptions, EachNameChoosesItsOptimiserAndTheConfigRepeatsIt) {
  const std::string adamw = adapter("adamw", {});
  EXPECT_EQ(adapter("alias", {"--optimizer", "adamw_torch"}), adamw);
  const std::string lion = adapter("lion", {"--optimizer", "lion", "--adam-beta2", "0.98"});
  const std::string sgd = adapter("sgd", {"--optimizer", "sgd", "--momentum", "0.9", "--nesterov"});
  EXPECT_NE(lion, adamw);
  EXPECT_NE(sgd, adamw);
  EXPECT_NE(sgd, lion);
  for (const std::string run : {"lion", "sgd"}) {
    const Outcome again =
        run_lorry({"train", "--config", path(run) + "/train.yaml", "--out", path(run + "2")});
    ASSERT_EQ(again.code, 0) << again.err;
    EXPECT_EQ(io::get(path(run + "2") + "/adapter_model.safetensors"), run == "lion" ? lion : sgd);
  }
  EXPECT_NE(io::get(path("sgd") + "/train.yaml").find("optimizer: sgd\n"), std::string::npos);
  EXPECT_NE(io::get(path("sgd") + "/train.yaml").find("nesterov: true\n"), std::string::npos);
  EXPECT_EQ(io::get(path("adamw") + "/train.yaml").find("momentum"), std::string::npos) << "never given";
}

TEST_F(OptimizerOptions, ReachTheStepsAndTheConfigRepeatsThem) {
  const Arguments all = {"--optimizer",
                         "adamw_bnb_8bit",
                         "--lr-scheduler",
                         "wsd",
                         "--warmup-ratio",
                         "0.3",
                         "--lr-decay-steps",
                         "1",
                         "--lr-decay-type",
                         "1-sqrt",
                         "--min-lr-ratio",
                         "0.25",
                         "--loraplus-lr-ratio",
                         "4",
                         "--label-smoothing",
                         "0.1",
                         "--neftune-noise-alpha",
                         "5",
                         "--lr",
                         "1e-3"};
  const std::string first = adapter("all", all);
  const Outcome again = run_lorry({"train", "--config", path("all") + "/train.yaml", "--out", path("all2")});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(io::get(path("all2") + "/adapter_model.safetensors"), first);
  // Each of them has a part in it: the same without it is another adapter.
  for (const std::size_t left_out : {4U, 6U, 10U, 12U, 14U, 16U}) {
    Arguments most = all;
    most.erase(most.begin() + static_cast<std::ptrdiff_t>(left_out),
               most.begin() + static_cast<std::ptrdiff_t>(left_out) + 2);
    EXPECT_EQ(adapter(fmt::format("without{}", left_out), most) == first, left_out == 6) << all[left_out];
  }
  std::vector<double> rates;
  std::istringstream log(io::get(path("all") + "/log.jsonl"));
  for (std::string line; std::getline(log, line);) {
    const io::Json json = io::Json::parse(line);
    if (json.contains("lr")) rates.push_back(json.at("lr").get<double>());
  }
  // One step of warm-up (0.9 of three, rounded up) from the floor, one at the top, one that falls from there.
  ASSERT_EQ(rates.size(), 3);
  EXPECT_NEAR(rates[0], 2.5e-4, 1e-12);
  EXPECT_NEAR(rates[1], 1e-3, 1e-12);
  EXPECT_NEAR(rates[2], 1e-3, 1e-12);
}

TEST_F(OptimizerOptions, MistakesEndWithALine) {
  expect_error({"--optimizer", "adagrad"}, "found \"adagrad\"; expected one of adamw, adamw_8bit, sgd, lion");
  expect_error({"--lr-scheduler", "greedy"},
               "expected one of constant, linear, cosine, cosine_with_min_lr, cosine_with_restarts, "
               "polynomial, warmup_stable_decay, inverse_sqrt");
  expect_error({"--momentum", "0.9"}, "[train] --momentum: has no effect with --optimizer adamw");
  expect_error({"--num-cycles", "2"}, "[train] --num-cycles: has no effect with --lr-scheduler linear");
  expect_error({"--warmup-steps", "1", "--warmup-ratio", "0.1"},
               "[train] --warmup-steps, --warmup-ratio: found both");
  expect_error({"--lr-scheduler", "cosine", "--min-lr", "1"}, "[train] --min-lr: found 1; expected 0 to");
  expect_error({"--method", "full", "--loraplus-lr-ratio", "4"},
               "[train] --loraplus-lr-ratio: has no effect with --method full");
  expect_error({"--loraplus-lr-embedding", "1e-5"}, "has no effect without --loraplus-lr-ratio");
}

TEST_F(OptimizerOptions, SweepsTryThemAndNameTheRowOfAMistake) {
  const std::string shared =
      fmt::format("model: {}\ndata: {}\neval_data: {}\nsteps: 2\nmax_seq_length: 64\nrank: 2\n",
                  path("model"), path("data.jsonl"), path("data.jsonl"));
  io::put(path("good.yaml"), shared + "grid: {optimizer: [adamw, lion], label_smoothing: [0, 0.1]}\n");
  const Outcome good = run_lorry(
      {"sweep", "--config", path("good.yaml"), "--out", path("sweep"), "--threads", "1", "--dtype", "f32"});
  ASSERT_EQ(good.code, 0) << good.err;
  int cells = 0;
  for (const auto& entry : std::filesystem::directory_iterator(path("sweep") + "/cells")) {
    const io::Json result = io::read_json_file(entry.path() / "result.json");
    const bool lion = entry.path().filename().string().find("lion") != std::string::npos;
    EXPECT_EQ(result.at("settings").at("optimizer") == "lion", lion) << entry.path();
    ++cells;
  }
  EXPECT_EQ(cells, 4);
  io::put(path("bad.yaml"), shared + "grid: {optimizer: [adamw, sgd], adam_beta1: [0.8, 0.9]}\n");
  const Outcome bad = run_lorry(
      {"sweep", "--config", path("bad.yaml"), "--out", path("badsweep"), "--threads", "1", "--dtype", "f32"});
  EXPECT_EQ(bad.code, 2);
  EXPECT_NE(
      bad.err.find(
          "[sweep] row 3 (all-linear r=2 optimizer=sgd adam-beta1=0.8): [train] --adam-beta1: has no effect "
          "with --optimizer sgd; expected it without"),
      std::string::npos)
      << bad.err;
}

}  // namespace
}  // namespace lorry::cli
