// --memory-budget: weights that are read from the disk while the rest computes, to the same bits, within the
// budget.
#include <gtest/gtest.h>

#include "cli/program.hpp"
#include "io/io_support.hpp"
#include "io/json_file.hpp"

namespace lorry::cli {
namespace {

constexpr Index kMebibyte = Index{1} << 20;
constexpr Index kHalf = 54 * kMebibyte;  // of the weights below

/// A model whose blocks are most of what a run takes: 16 of 6.75 MiB.
class MemoryBudget : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch_ = std::make_unique<io::ScratchFolder>();
    write_tiny_parts(path("parts"));
    io::Json config = io::read_json_file(path("parts") + "/config.json");
    config["hidden_size"] = 384;
    config["intermediate_size"] = 1024;
    config["num_hidden_layers"] = 16;
    config["num_attention_heads"] = 8;
    config["num_key_value_heads"] = 8;
    io::write_json_file(path("parts") + "/config.json", config);
    const Outcome made = run_lorry({"init", "--config", path("parts") + "/config.json", "--tokenizer",
                                    path("parts"), "--out", path("model"), "--dtype", "f32"});
    ASSERT_EQ(made.code, 0) << made.err;
    io::put(path("data.jsonl"), counting_records(12));
  }
  static void TearDownTestSuite() { scratch_.reset(); }

  static std::string path(std::string_view name) { return *scratch_ / name; }
  static std::vector<std::string> with(std::vector<std::string> first, const std::vector<std::string>& more) {
    first.insert(first.end(), more.begin(), more.end());
    return first;
  }
  /// Two steps of three micro-batches; the report.
  static io::Json train(const std::string& out, const std::vector<std::string>& more) {
    const Outcome outcome = run_lorry(with({"train",
                                            "--model",
                                            path("model"),
                                            "--data",
                                            path("data.jsonl"),
                                            "--out",
                                            path(out),
                                            "--steps",
                                            "2",
                                            "--grad-accumulation-steps",
                                            "3",
                                            "--batch-size",
                                            "1",
                                            "--max-seq-length",
                                            "32",
                                            "--threads",
                                            "1",
                                            "--eval-data",
                                            path("data.jsonl"),
                                            "--json"},
                                           more));
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.code == 0 ? io::Json::parse(outcome.out) : io::Json();
  }
  /// What the run is predicted to take, less than that by half of its weights: the program itself takes more
  /// under sanitizers.
  static Index half_of(const std::vector<std::string>& more) {
    const Outcome outcome =
        run_lorry(with({"estimate", "--model", path("model"), "--data", path("data.jsonl"), "--steps", "2",
                        "--grad-accumulation-steps", "3", "--batch-size", "1", "--max-seq-length", "32",
                        "--threads", "1", "--memory-only", "--json"},
                       more));
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return io::Json::parse(outcome.out)["memory"]["total"].get<Index>() - kHalf;
  }
  static std::vector<std::string> budget_of(Index bytes) {
    return {"--memory-budget", std::to_string(bytes)};
  }
  static void expect_within(const io::Json& report, [[maybe_unused]] Index budget) {
#ifndef LORRY_SANITIZED  // there freed memory stays resident
    EXPECT_LE(report["peak_rss_bytes"].get<Index>(), budget);
#endif
    EXPECT_GT(report["peak_rss_bytes"].get<Index>(), 0);
  }
  static std::string adapter(const std::string& out) {
    return io::get(path(out) + "/adapter_model.safetensors");
  }

 private:
  static inline std::unique_ptr<io::ScratchFolder> scratch_;
};

TEST_F(MemoryBudget, TrainingStaysWithinItAndGivesTheSameBits) {
  const Index budget = half_of({"--eval-data", path("data.jsonl")});
  const io::Json whole = train("whole", {});
  const io::Json within = train("within", budget_of(budget));
  EXPECT_EQ(adapter("within"), adapter("whole"));
  expect_within(within, budget);
  EXPECT_GT(whole["peak_rss_bytes"].get<Index>(), budget);
  ASSERT_TRUE(within["eval_loss"].is_number()) << within.dump();
  EXPECT_EQ(within["eval_loss"], whole["eval_loss"]);
}

TEST_F(MemoryBudget, SoDoWhatReadsTheWeightsBesidePasses) {
  const std::vector<std::vector<std::string>> cases = {
      {"--use-dora", "--rank", "2"},
      {"--xray-steps", "1"},
      {"--init-lora-weights", "pissa_niter_1", "--rank", "2"}};
  for (const std::vector<std::string>& more : cases) {
    const Index budget = half_of(more);
    train("all" + more.front(), more);
    const io::Json within = train("part" + more.front(), with(more, budget_of(budget)));
    EXPECT_EQ(adapter("part" + more.front()), adapter("all" + more.front())) << more.front();
    SCOPED_TRACE(more.front());
    expect_within(within, budget);
  }
}

TEST_F(MemoryBudget, EvaluationAndGenerationGiveTheSame) {
  const std::vector<std::string> eval = {
      "eval",      "--model", path("model"), "--data",           path("data.jsonl"),
      "--threads", "1",       "--json",      "--max-seq-length", "32"};
  const io::Json whole = io::Json::parse(run_lorry(eval).out);
  const Index budget = whole["peak_rss_bytes"].get<Index>() - 30 * kMebibyte;
  const io::Json within = io::Json::parse(run_lorry(with(eval, budget_of(budget))).out);
  EXPECT_EQ(within["loss"], whole["loss"]);
  expect_within(within, budget);
  const std::vector<std::string> generate = {
      "generate", "--model",       path("model"), "--prompt",  "say 3:", "--max-new-tokens",
      "6",        "--temperature", "0",           "--threads", "1"};
  const Outcome streamed = run_lorry(with(generate, budget_of(budget)));
  EXPECT_EQ(streamed.code, 0) << streamed.err;
  EXPECT_EQ(streamed.out, run_lorry(generate).out);
}

TEST_F(MemoryBudget, OneThatCannotHoldTheRunIsRefusedWithTheLeastThatCan) {
  const Outcome outcome = run_lorry({"train", "--model", path("model"), "--data", path("data.jsonl"), "--out",
                                     path("none"), "--steps", "1", "--memory-budget", "20MiB"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("--memory-budget: found 20.0 MiB"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("expected at least"), std::string::npos) << outcome.err;
  for (const char* wrong : {"12 apples", "0", "-3GiB", "1e40GiB", "GiB"}) {
    const Outcome refused =
        run_lorry({"eval", "--model", path("model"), "--data", path("data.jsonl"), "--memory-budget", wrong});
    EXPECT_EQ(refused.code, 2) << wrong;
    EXPECT_NE(refused.err.find("expected memory such as"), std::string::npos) << refused.err;
  }
}

TEST_F(MemoryBudget, EstimateForetellsMemoryAndDisk) {
  const Index budget = half_of({});
  const Outcome outcome = run_lorry(
      with({"estimate", "--model", path("model"), "--max-seq-length", "32", "--threads", "1", "--json"},
           budget_of(budget)));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const io::Json json = io::Json::parse(outcome.out);
  EXPECT_LE(json["memory"]["total"].get<Index>(), budget);
  EXPECT_GT(json["disk_bytes_per_step"].get<Index>(), kHalf / 2);
}

}  // namespace
}  // namespace lorry::cli
