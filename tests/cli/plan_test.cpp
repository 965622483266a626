// lorry train --dry-run and lorry estimate: what a run will be, without one.
#include <gtest/gtest.h>

#include "cli/program.hpp"
#include "io/io_support.hpp"
#include "io/json_file.hpp"
#include "train/plan.hpp"

namespace lorry::cli {
namespace {

class Plan : public testing::Test {
 protected:
  void SetUp() override {
    make_tiny_model(scratch_ / "parts", scratch_ / "model");
    io::put(scratch_ / "data.jsonl", counting_records(20));
  }
  [[nodiscard]] std::string path(std::string_view name) const { return (scratch_ / name).string(); }
  [[nodiscard]] std::vector<std::string> options(std::vector<std::string> first,
                                                 const std::vector<std::string>& more = {}) const {
    for (const char* name : {"model", "data.jsonl", "out"}) {
      first.push_back(name == std::string("data.jsonl") ? "--data" : fmt::format("--{}", name));
      first.push_back(path(name));
    }
    first.insert(first.end(), {"--threads", "1", "--max-seq-length", "64"});
    first.insert(first.end(), more.begin(), more.end());
    return first;
  }
  static io::Json parse(const Outcome& outcome) {
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return io::Json::parse(outcome.out, nullptr, false);
  }

  io::ScratchFolder scratch_;
};

TEST_F(Plan, DryRunTellsWhatTheRunThenDoes) {
  const std::vector<std::string> more = {"--rank", "4", "--epochs", "2", "--json"};
  std::vector<std::string> dry = more;
  dry.emplace_back("--dry-run");
  const io::Json plan = parse(run_lorry(options({"train"}, dry)));
  EXPECT_FALSE(std::filesystem::exists(scratch_ / "out"));
  const io::Json run = parse(run_lorry(options({"train"}, more)));
  EXPECT_EQ(plan["trainable_parameters"], run["trainable_parameters"]);
  EXPECT_EQ(plan["steps"], run["steps"]);
  EXPECT_EQ(plan["epochs"], 2.0);
  // Seven kinds of maps in each of two blocks.
  ASSERT_EQ(plan["trained"].size(), 7U);
  Index sum = 0;
  for (const io::Json& group : plan["trained"]) {
    EXPECT_EQ(group["count"], 2);
    sum += group["parameters"].get<Index>();
  }
  EXPECT_EQ(sum, plan["trainable_parameters"].get<Index>());
  EXPECT_EQ(plan["config"]["rank"], 4);
  EXPECT_EQ(plan["config"]["grad_checkpoint"], false);
  EXPECT_EQ(plan["config"]["optimizer"], "adamw");
  EXPECT_EQ(plan["result_bytes"].get<Index>(), 4 * plan["trainable_parameters"].get<Index>());
  const auto adapter =
      static_cast<Index>(std::filesystem::file_size(scratch_ / "out/adapter_model.safetensors"));
  EXPECT_GT(adapter, plan["result_bytes"].get<Index>());
  EXPECT_LT(adapter, plan["result_bytes"].get<Index>() + 8192);
  Index parts = 0;
  for (const char* part :
       {"weights", "adapters", "gradients", "optimizer", "activations", "logits", "data", "program"}) {
    parts += plan["memory"][part].get<Index>();
  }
  EXPECT_EQ(plan["memory"]["total"].get<Index>(), parts);
  EXPECT_EQ(plan["memory"]["optimizer"].get<Index>(), 8 * plan["trainable_parameters"].get<Index>());
}

TEST_F(Plan, DryRunPrintsAConfigThatRepeatsTheRun) {
  const Outcome outcome = run_lorry(options({"train"}, {"--rank", "4", "--steps", "3", "--dry-run"}));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("\nrank: 4\n"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("self_attn.q_proj"), std::string::npos);
  EXPECT_NE(outcome.out.find("3 steps of 1 x 1 sequences"), std::string::npos);
  const std::string yaml = outcome.out.substr(0, outcome.out.find("\n\n") + 1);
  io::put(scratch_ / "again.yaml", yaml);
  const Outcome again = run_lorry({"train", "--config", path("again.yaml"), "--dry-run"});
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(again.out.substr(0, again.out.find("\n\n") + 1), yaml);
}

TEST_F(Plan, DryRunRefusesWhatTheRunWould) {
  const Outcome outcome = run_lorry(options({"train"}, {"--target-modules", "nothing", "--dry-run"}));
  EXPECT_EQ(outcome.code, 1);
  EXPECT_NE(outcome.err.find("\"nothing\" matches no linear layer"), std::string::npos) << outcome.err;
}

TEST_F(Plan, EstimateNeedsNoDataAndWritesNothing) {
  const io::Json json = parse(run_lorry({"estimate", "--model", path("model"), "--threads", "1",
                                         "--max-seq-length", "64", "--method", "full", "--json"}));
  EXPECT_GT(json["seconds_per_step"].get<double>(), 0);
  EXPECT_EQ(json["tokens_per_step"], 64);
  EXPECT_EQ(json["memory"]["adapters"], 0);
  EXPECT_EQ(json["memory"]["gradients"].get<Index>(), 4 * json["trainable_parameters"].get<Index>());
  const io::Json memory = parse(run_lorry(options({"estimate"}, {"--memory-only", "--json"})));
  EXPECT_FALSE(memory.contains("seconds_per_step"));
  EXPECT_FALSE(std::filesystem::exists(scratch_ / "out"));
}

TEST(MemoryWarning, ComesWhereTheRunDoesNotFit) {
  const train::MemoryParts parts = {.weights = 600, .adapters = 10, .activations = 300, .program = 50};
  EXPECT_EQ(train::memory_warning(parts, train::Method::kLora, std::nullopt), std::nullopt);
  EXPECT_EQ(train::memory_warning(parts, train::Method::kLora, 910), std::nullopt);
  // Mapped weights can be read again.
  EXPECT_NE(train::memory_warning(parts, train::Method::kLora, 909)->find("slow"), std::string::npos);
  EXPECT_NE(train::memory_warning(parts, train::Method::kLora, 309)->find("cannot fit"), std::string::npos);
  EXPECT_NE(train::memory_warning(parts, train::Method::kFull, 909)->find("cannot fit"), std::string::npos);
}

}  // namespace
}  // namespace lorry::cli
