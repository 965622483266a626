// lorry train --dry-run and lorry estimate: what a run will be, without one.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>

#include "cli/program.hpp"
#include "io/file_descriptor.hpp"
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

TEST_F(Plan, AStartFromTheWeightsCountsWhatTheseGoWithout) {
  const auto memory_of = [&](const char* init) {
    const io::Json estimate = parse(run_lorry(
        options({"estimate"}, {"--rank", "4", "--init-lora-weights", init, "--memory-only", "--json"})));
    return estimate["memory"];
  };
  const io::Json plain = memory_of("true");
  const io::Json pissa = memory_of("pissa");
  EXPECT_EQ(pissa["gradients"], plain["gradients"]);
  EXPECT_EQ(pissa["adapters"].get<Index>(), 2 * plain["adapters"].get<Index>());
  EXPECT_GT(pissa["activations"].get<Index>(), plain["activations"].get<Index>());
  const std::vector<std::string> more = {"--rank", "4",     "--init-lora-weights", "pissa", "--steps",
                                         "1",      "--json"};
  std::vector<std::string> dry = more;
  dry.emplace_back("--dry-run");
  const io::Json plan = parse(run_lorry(options({"train"}, dry)));
  static_cast<void>(parse(run_lorry(options({"train"}, more))));
  const auto adapter =
      static_cast<Index>(std::filesystem::file_size(scratch_ / "out/adapter_model.safetensors"));
  EXPECT_GT(adapter, plan["result_bytes"].get<Index>());
  EXPECT_LT(adapter, plan["result_bytes"].get<Index>() + 8192);
}

TEST_F(Plan, DryRunPredictsTheTimeAsEstimateDoes) {
  const Outcome dry = run_lorry(options({"train"}, {"--steps", "3", "--dry-run"}));
  ASSERT_EQ(dry.code, 0) << dry.err;
  for (const char* words : {"peak memory", "time per step: ", "\n3 steps: ", "measurements"}) {
    EXPECT_NE(dry.out.find(words), std::string::npos) << dry.out << "  lacks: " << words;
  }
  const io::Json json = parse(run_lorry(options({"train"}, {"--steps", "3", "--dry-run", "--json"})));
  EXPECT_GT(json["seconds_per_step"].get<double>(), 0);
  EXPECT_DOUBLE_EQ(json["seconds"].get<double>(), 3 * json["seconds_per_step"].get<double>());
}

TEST_F(Plan, DryRunRefusesAndLeavesTheFolderAsTheRunWould) {
  const auto refused = [&](const std::string& out, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"train",     "--model", path("model"), "--data", path("data.jsonl"),
                                          "--threads", "1",       "--steps",     "2",      "--max-seq-length",
                                          "64",        "--out",   path(out)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Outcome run = run_lorry(arguments);
    arguments.emplace_back("--dry-run");
    const Outcome dry = run_lorry(arguments);
    EXPECT_NE(run.code, 0) << out;
    EXPECT_EQ(dry.code, run.code) << dry.err;
    EXPECT_EQ(dry.err, run.err);
    return run.err;
  };
  io::put(scratch_ / "file", "");
  EXPECT_NE(refused("file", {}).find("cannot make the folder"), std::string::npos);
  EXPECT_NE(refused("file/below", {}).find("cannot make the folder"), std::string::npos);
  EXPECT_NE(refused("model", {}).find("is what the run starts from"), std::string::npos);
  ASSERT_EQ(run_lorry(options({"train"}, {"--steps", "2"})).code, 0);
  EXPECT_NE(refused("out", {}).find("already holds adapter_model.safetensors"), std::string::npos);
  EXPECT_NE(refused("out", {"--resume", "--rank", "3"}).find("rank: 8, now 3"), std::string::npos);
  EXPECT_NE(refused("new", {"--logging-dir", path("out") + "/runs"}).find("of another run"),
            std::string::npos);
  EXPECT_NE(refused("new", {"--sample-prompts", path("none.jsonl")}).find("none.jsonl"), std::string::npos);
  std::filesystem::create_directory(scratch_ / "held");
  const io::FileDescriptor held(::open(path("held").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(::flock(held.get(), LOCK_EX), 0);
  EXPECT_NE(refused("held", {}).find("another run is writing there"), std::string::npos);
  const Outcome again = run_lorry(options({"train"}, {"--steps", "2", "--resume", "--dry-run"}));
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_NE(again.err.find("note: 2 of 2 steps are done already: the run is finished"), std::string::npos)
      << again.err;
}

TEST_F(Plan, DryRunAndEstimateWarnOfTiedWeightsAsTheRunDoes) {
  std::string config = io::get(scratch_ / "parts/config.json");
  const std::string untied = "\"tie_word_embeddings\": false";
  ASSERT_NE(config.find(untied), std::string::npos);
  config.replace(config.find(untied), untied.size(), "\"tie_word_embeddings\": true");
  io::put(scratch_ / "tied.json", config);
  const Outcome made = run_lorry({"init", "--config", path("tied.json"), "--tokenizer",
                                  path("parts/tokenizer.json"), "--out", path("tied"), "--dtype", "f32"});
  ASSERT_EQ(made.code, 0) << made.err;
  const std::vector<std::string> more = {"--model",
                                         path("tied"),
                                         "--data",
                                         path("data.jsonl"),
                                         "--out",
                                         path("out"),
                                         "--threads",
                                         "1",
                                         "--max-seq-length",
                                         "64",
                                         "--steps",
                                         "1",
                                         "--modules-to-save",
                                         "embed_tokens"};
  for (const std::vector<std::string>& first : std::vector<std::vector<std::string>>{
           {"train", "--dry-run"}, {"estimate", "--memory-only"}, {"train"}}) {
    std::vector<std::string> arguments = first;
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Outcome outcome = run_lorry(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_NE(outcome.err.find("model.embed_tokens: trained apart from what this model ties it to"),
              std::string::npos)
        << first[0] << outcome.err;
  }
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

TEST_F(Plan, EstimateTakesTheConfigAndTheCommandLineOfARun) {
  const Outcome run = run_lorry(options(
      {"train"}, {"--steps", "2", "--xray-steps", "1", "--sample-prompts", "say", "--sample-tokens", "2"}));
  ASSERT_EQ(run.code, 0) << run.err;
  const io::Json json =
      parse(run_lorry({"estimate", "--config", path("out/train.yaml"), "--memory-only", "--json"}));
  EXPECT_GT(json["memory"]["total"].get<Index>(), 0);
  parse(run_lorry(options({"estimate"}, {"--memory-only", "--json", "--dry-run", "--report-to", "none",
                                         "--resume", "--save-steps", "1", "--xray-steps", "1"})));
  io::put(scratch_ / "wrong.yaml", "model: " + path("model") + "\nxray_step: 3\n");
  const Outcome wrong = run_lorry({"estimate", "--config", path("wrong.yaml"), "--memory-only"});
  EXPECT_NE(wrong.code, 0);
  EXPECT_NE(wrong.err.find("unknown key \"xray_step\"; did you mean \"xray-steps\""), std::string::npos)
      << wrong.err;
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
