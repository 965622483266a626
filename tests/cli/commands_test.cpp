// The commands in the order of a user's day, on a tiny model of random weights: init, train, eval, generate,
// merge, inspect.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/program.hpp"
#include "cli/version.hpp"
#include "io/io_support.hpp"

namespace lorry::cli {
namespace {

using Json = nlohmann::json;
using Arguments = std::vector<std::string>;

Arguments operator+(Arguments a, const Arguments& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// One model, one adapter and their folders for all tests of this file.
class Commands : public testing::Test {
 protected:
  struct Shared {
    io::ScratchFolder scratch;
    Json report;  // of the training
  };

  static void SetUpTestSuite() {
    shared_ = std::make_unique<Shared>();
    make_tiny_model(path("parts"), path("model"));
    std::filesystem::create_directory(path("data"));
    io::put(path("data") + "/train.jsonl", counting_records(40));
    io::put(path("data") + "/valid.jsonl", counting_records(5));
    const Outcome outcome = run_lorry(train_arguments("adapter") + Arguments{"--json"});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    shared_->report = Json::parse(outcome.out);
  }
  static void TearDownTestSuite() { shared_.reset(); }

  static std::string path(std::string_view name) { return shared_->scratch / name; }
  static Arguments train_arguments(const std::string& out) {
    return {"train",   "--model",   path("model"), "--data", path("data"), "--out",
            path(out), "--steps",   "60",          "--lr",   "0.02",       "--dtype",
            "f32",     "--threads", "1",           "--seed", "7",          "--max-seq-length",
            "64"};
  }
  static Arguments with_model(const std::string& command) {
    return {command, "--model", path("model"), "--dtype", "f32", "--threads", "1"};
  }
  /// The JSON report of `lorry ARGUMENTS --json`.
  static Json report(const Arguments& arguments) {
    const Outcome outcome = run_lorry(arguments + Arguments{"--json"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return Json::parse(outcome.out, nullptr, false);
  }

  static std::unique_ptr<Shared> shared_;
};

std::unique_ptr<Commands::Shared> Commands::shared_;

TEST_F(Commands, TrainReportsWhatItDid) {
  const Json& json = shared_->report;
  EXPECT_EQ(json.at("steps"), 60);
  EXPECT_EQ(json.at("out"), path("adapter"));
  // Rank 8 on seven maps of two layers: 8 (in + out) each.
  EXPECT_EQ(json.at("trainable_parameters"), 2 * 8 * (2 * (32 + 32) + 2 * (32 + 16) + 3 * (32 + 64)));
  EXPECT_GT(json.at("tokens_per_second"), 0);
  EXPECT_GT(json.at("peak_rss_bytes"), 1 << 20);
  EXPECT_GT(json.at("loss"), 0);
  EXPECT_LT(json.at("loss"), 0.5);
  EXPECT_GT(json.at("eval_loss_before"), 4.0);
  EXPECT_LT(json.at("eval_loss"), 0.5);
  for (const char* file : {"adapter_config.json", "adapter_model.safetensors", "train.yaml", "log.jsonl"}) {
    EXPECT_TRUE(std::filesystem::exists(path("adapter") + "/" + file)) << file;
  }
}

TEST_F(Commands, TheWrittenConfigRepeatsTheRun) {
  const Outcome outcome =
      run_lorry({"train", "--config", path("adapter") + "/train.yaml", "--out", path("again")});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("adapter: " + path("again")), std::string::npos) << outcome.out;
  EXPECT_EQ(io::get(path("again") + "/adapter_model.safetensors"),
            io::get(path("adapter") + "/adapter_model.safetensors"));
}

TEST_F(Commands, TheWrittenConfigSaysWhatWasUsed) {
  const Outcome outcome =
      run_lorry(with_model("train") + Arguments{"--data", path("data"), "--out", path("long"), "--steps", "1",
                                                "--max-seq-length", "4096"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(io::get(path("long") + "/train.yaml").find("max_seq_length: 128\n"), std::string::npos)
      << "the positions of the model";
  EXPECT_NE(outcome.err.find("max_seq_length 4096 is above the model's positions; using 128"),
            std::string::npos);
  const Outcome silent = run_lorry(
      with_model("train") + Arguments{"--data", path("data"), "--out", path("default"), "--steps", "1"});
  ASSERT_EQ(silent.code, 0) << silent.err;
  EXPECT_NE(io::get(path("default") + "/train.yaml").find("max_seq_length: 128\n"), std::string::npos);
  EXPECT_EQ(silent.err.find("max_seq_length"), std::string::npos) << "nobody asked for 2048";
}

TEST_F(Commands, TheXrayShowsEveryLayerAndAdvises) {
  const Outcome outcome = run_lorry(train_arguments("seen") + Arguments{"--xray-steps", "30"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("after 30 steps"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("self_attn.q_proj"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.out.find("model.layers.1.mlp.down_proj"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("advice: "), std::string::npos) << outcome.out;
  const Json json = report(train_arguments("again seen") + Arguments{"--xray-steps", "30"});
  EXPECT_TRUE(json.at("advice").is_array());
  EXPECT_EQ(io::get(path("seen") + "/adapter_model.safetensors"),
            io::get(path("adapter") + "/adapter_model.safetensors"));
}

TEST_F(Commands, EvalAgreesWithTraining) {
  const Arguments arguments =
      with_model("eval") + Arguments{"--data", path("data"), "--max-seq-length", "64"};
  const Json before = report(arguments);
  const Json after = report(arguments + Arguments{"--adapter", path("adapter")});
  EXPECT_NEAR(before.at("loss"), shared_->report.at("eval_loss_before"), 1e-6);
  EXPECT_NEAR(after.at("loss"), shared_->report.at("eval_loss"), 1e-6);
  EXPECT_NEAR(after.at("perplexity"), std::exp(after.at("loss").get<double>()), 1e-9);
  // " zero", " one", " two", " three", " four", a byte each, and five ends.
  EXPECT_EQ(after.at("tokens"), 5 + 4 + 4 + 6 + 5 + 5);
  EXPECT_EQ(after.at("records"), 5);
}

TEST_F(Commands, EvalTellsHowManyRecordsItCut) {
  // BOS, "say 3:", " three", EOS: 14 tokens. Of the five records only " one" and " two" fit into 12.
  const Arguments arguments =
      with_model("eval") + Arguments{"--data", path("data"), "--max-seq-length", "12"};
  const Json json = report(arguments);
  EXPECT_EQ(json.at("cut"), 3);
  EXPECT_EQ(json.at("max_seq_length"), 12);
  EXPECT_NE(run_lorry(arguments).out.find("5 records (3 cut into windows of 12 tokens)"), std::string::npos);
  EXPECT_NE(run_lorry(with_model("eval") + Arguments{"--data", path("data"), "--max-seq-length", "500"})
                .err.find("--max-seq-length 500 is above the model's positions; using 128"),
            std::string::npos);
  const Json whole = report(with_model("eval") + Arguments{"--data", path("data")});
  EXPECT_EQ(whole.at("cut"), 0);
  EXPECT_EQ(whole.at("max_seq_length"), 128) << "the positions of the model";
}

TEST_F(Commands, GeneratePrintsTheContinuationAlone) {
  const Outcome outcome =
      run_lorry(with_model("generate") + Arguments{"--adapter", path("adapter"), "--prompt", "say 3:"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out, " three\n");
  EXPECT_EQ(outcome.err, "");
}

TEST_F(Commands, GenerateReadsThePromptFromStandardInput) {
  io::put(path("prompt"), "say 3:\n");
  io::put(path("two"), "say 3:\n\n");
  io::put(path("none"), "");
  const auto piped = [&](const char* file) {
    const std::string command =
        fmt::format("{}/lorry generate --model {} --adapter {} --prompt - --json --threads 1 < {} > {}",
                    LORRY_BUILD_DIR, path("model"), path("adapter"), path(file), path("piped"));
    EXPECT_EQ(std::system(command.c_str()), 0);
    return Json::parse(io::get(path("piped")));
  };
  EXPECT_EQ(piped("prompt").at("text"), " three");
  EXPECT_EQ(piped("prompt").at("prompt_tokens"), 7);  // the line break that ends the file is not among them
  EXPECT_EQ(piped("two").at("prompt_tokens"), 8);
  EXPECT_EQ(piped("none").at("prompt_tokens"), 1);  // BOS
}

TEST_F(Commands, TheModelMayBeLeftOutWhereTheAdapterNamesIt) {
  const Arguments more = {"--adapter", path("adapter"), "--dtype", "f32", "--threads", "1"};
  const Outcome outcome = run_lorry(Arguments{"generate", "--prompt", "say 3:"} + more);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, " three\n");
  EXPECT_EQ(outcome.err, "note: --model left out; using " + path("model") + ", which the adapter names\n");
  EXPECT_EQ(report(Arguments{"eval", "--data", path("data")} + more).at("loss"),
            report(Arguments{"eval", "--model", path("model"), "--data", path("data")} + more).at("loss"));
  std::filesystem::copy(path("adapter"), path("lost"));
  std::string config = io::get(path("lost") + "/adapter_config.json");
  config.replace(config.find(path("model")), path("model").size(), "no/such");
  io::put(path("lost") + "/adapter_config.json", config);
  const Outcome lost = run_lorry({"merge", "--adapter", path("lost"), "--out", path("of lost")});
  EXPECT_EQ(lost.code, 1);
  EXPECT_NE(lost.err.find("found \"no/such\", which is no model folder here or from the adapter's folder; "
                          "expected --model DIR"),
            std::string::npos)
      << lost.err;
  EXPECT_EQ(run_lorry({"generate", "--prompt", "x"}).code, 2) << "neither model nor adapter";
  EXPECT_EQ(report({"inspect", path("adapter")}).at("base_model_found"), true);
  EXPECT_EQ(report({"inspect", path("lost")}).at("base_model_found"), false);
  const std::string text = run_lorry({"inspect", path("lost")}).out;
  EXPECT_NE(text.find("no/such (not there; give it by --model)\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\nA is [rank, inputs], B is [outputs, rank], as PEFT stores them:\n"),
            std::string::npos);
  EXPECT_NE(text.find(" inputs x outputs   norm of A"), std::string::npos) << text;
}

TEST_F(Commands, GenerateReportsAsJson) {
  const Json json =
      report(with_model("generate") + Arguments{"--adapter", path("adapter"), "--prompt", "say 3:"});
  EXPECT_EQ(json.at("text"), " three");
  EXPECT_EQ(json.at("prompt_tokens"), 7);  // BOS and a byte each
  EXPECT_EQ(json.at("new_tokens"), 6);
  EXPECT_EQ(json.at("stopped"), true);
}

TEST_F(Commands, GenerateAnswersAFileInItsOrder) {
  const Outcome outcome = run_lorry(with_model("generate") + Arguments{"--adapter", path("adapter"), "--data",
                                                                       path("data") + "/valid.jsonl"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, counting_records(5));
}

TEST_F(Commands, GenerateTellsWhatGreedyIgnores) {
  const Arguments arguments =
      with_model("generate") + Arguments{"--prompt", "x", "--max-new-tokens", "1", "--top-p", "0.9"};
  EXPECT_EQ(run_lorry(arguments).err, "note: --top-p has no effect while --temperature is 0\n");
  EXPECT_EQ(run_lorry(arguments + Arguments{"--temperature", "1"}).err, "");
}

TEST_F(Commands, SamplingFollowsTheSeed) {
  const auto sample = [](const char* seed) {
    return run_lorry(with_model("generate") + Arguments{"--prompt", "x", "--temperature", "1", "--top-p",
                                                        "0.9", "--max-new-tokens", "20", "--seed", seed})
        .out;
  };
  EXPECT_EQ(sample("1"), sample("1"));
  EXPECT_NE(sample("1"), sample("2"));
}

TEST_F(Commands, MergedModelIsTheModelWithItsAdapter) {
  const Outcome outcome = run_lorry({"merge", "--model", path("model"), "--adapter", path("adapter"), "--out",
                                     path("merged"), "--threads", "1"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "model: " + path("merged") + "\n");
  const Json json = report({"eval", "--model", path("merged"), "--data", path("data"), "--max-seq-length",
                            "64", "--dtype", "f32", "--threads", "1"});
  EXPECT_NEAR(json.at("loss"), shared_->report.at("eval_loss"), 1e-5);
}

TEST_F(Commands, InspectTellsWhatIsThere) {
  const Json model = report({"inspect", path("model")});
  EXPECT_EQ(model.at("model_type"), "llama");
  EXPECT_EQ(model.at("embedding_parameters"), 260 * 32);
  EXPECT_EQ(model.at("linear_parameters"), 2 * (2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 64) + 260 * 32);
  EXPECT_EQ(model.at("small_parameters"), 5 * 32);
  EXPECT_EQ(model.at("linear_modules").at(4),
            Json({{"name", "mlp.gate_proj"}, {"inputs", 32}, {"outputs", 64}, {"count", 2}}));
  const Json adapter = report({"inspect", "--adapter", path("adapter")});
  EXPECT_EQ(adapter.at("rank"), 8);
  EXPECT_EQ(adapter.at("modules").size(), 14U);
  EXPECT_EQ(adapter.at("modules").at(0).at("scale"), adapter.at("scale"));
  EXPECT_EQ(adapter.at("rank_pattern"), Json::object());
  EXPECT_GT(adapter.at("modules").at(0).at("norm_b"), 0.01);
  io::put(path("inspect.yaml"), "adapter: " + path("adapter") + "\n");
  EXPECT_EQ(report({"inspect", "--config", path("inspect.yaml")}), adapter);
  const Json file = report({"inspect", path("adapter") + "/adapter_model.safetensors"});
  EXPECT_EQ(file.at("tensors").size(), 28U);
}

TEST_F(Commands, FullTrainingWritesAModel) {
  const Json json = report({"train", "--model", path("model"), "--data", path("data"), "--out", path("full"),
                            "--method", "full", "--steps", "20", "--lr", "0.01", "--dtype", "f32",
                            "--threads", "1", "--max-seq-length", "64"});
  EXPECT_EQ(json.at("trainable_parameters"),
            2 * (2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 64) + 2 * 260 * 32 + 5 * 32);
  EXPECT_LT(json.at("eval_loss"), json.at("eval_loss_before"));
  const Json again = report({"eval", "--model", path("full"), "--data", path("data"), "--dtype", "f32",
                             "--threads", "1", "--max-seq-length", "64"});
  EXPECT_NEAR(again.at("loss"), json.at("eval_loss"), 1e-6);
  EXPECT_EQ(io::get(path("full") + "/train.yaml").find("rank"), std::string::npos);
}

TEST_F(Commands, TrainingGoesOnFromAnAdapter) {
  const Json json = report({"train", "--model", path("model"), "--adapter", path("adapter"), "--data",
                            path("data"), "--out", path("more"), "--steps", "1", "--dtype", "f32",
                            "--threads", "1", "--max-seq-length", "64"});
  EXPECT_NEAR(json.at("eval_loss_before"), shared_->report.at("eval_loss"), 1e-6);
}

TEST(Program, VersionAndHelp) {
  const Outcome version = run_lorry({"--version"});
  EXPECT_EQ(version.code, 0);
  EXPECT_TRUE(version.out.starts_with(fmt::format("lorry {} (", lorry::cli::version()))) << version.out;
  for (const Command& command : make_commands()) {
    const Outcome help = run_lorry({command.name, "--help"});
    EXPECT_EQ(help.code, 0);
    EXPECT_NE(help.out.find("\nUsage: lorry " + command.name), std::string::npos) << help.out;
    EXPECT_NE(help.out.find("\n  lorry " + command.name + " "), std::string::npos) << "an example";
  }
}

/// Every option of the command and of those it holds has its row.
void expect_rows(const Command& command, const std::string& page) {
  for (const Option& option : command.options.options()) {
    const std::string row =
        fmt::format("| `--{}{}{}` |", option.name, option.placeholder.empty() ? "" : " ", option.placeholder);
    EXPECT_NE(page.find(row), std::string::npos) << command.name << ": " << row;
  }
  for (const Command& child : command.commands) {
    EXPECT_NE(page.find(fmt::format("\n## lorry {} {}\n", command.name, child.name)), std::string::npos);
    expect_rows(child, page);
  }
}

TEST(Program, DocumentsNameEveryOption) {
  for (const Command& command :
       {make_init_command(), make_train_command(), make_eval_command(), make_generate_command(),
        make_score_command(), make_merge_command(), make_quantize_command(), make_export_command(),
        make_inspect_command(), make_analyze_command()}) {
    expect_rows(command, io::get(LORRY_SOURCE_DIR "/docs/commands/" + command.name + ".md"));
  }
}

TEST(Program, ReadersThatLeaveDoNotEndIt) {
  const io::ScratchFolder scratch;
  make_tiny_model(scratch / "parts", scratch / "model");
  io::put(scratch / "data.jsonl", counting_records(10));
  // The program goes on after `true` is gone.
  const auto run = [&](const std::string& arguments, const std::string& pipe) {
    const std::string code = (scratch / "code").string();
    const std::string command =
        fmt::format("(" LORRY_BUILD_DIR "/lorry {}; echo $? > {}) {} true", arguments, code, pipe);
    EXPECT_EQ(std::system(command.c_str()), 0);
    return io::get(code);
  };
  const std::string model = (scratch / "model").string();
  EXPECT_EQ(
      run(fmt::format(
              "train --model {} --data {} --out {} --steps 30 --threads 1 --eval-data {} --eval-steps 1",
              model, (scratch / "data.jsonl").string(), (scratch / "out").string(),
              (scratch / "data.jsonl").string()),
          "2>&1 |"),
      "0\n");
  EXPECT_TRUE(std::filesystem::exists(scratch / "out" / "adapter_model.safetensors"));
  EXPECT_EQ(run(fmt::format("generate --model {} --prompt x --threads 1", model), "|"), "0\n");
}

TEST(Program, CommandsOfAnalyzeHaveHelp) {
  for (const char* command : {"spectrum", "similarity", "amplification", "compress"}) {
    const Outcome help = run_lorry({"analyze", command, "--help"});
    EXPECT_EQ(help.code, 0);
    EXPECT_NE(help.out.find(fmt::format("\nUsage: lorry analyze {} ADAPTER", command)), std::string::npos)
        << help.out;
    EXPECT_NE(help.out.find(fmt::format("\n  lorry analyze {} ", command)), std::string::npos)
        << "an example";
  }
}

TEST(Program, AFullOutputIsAnError) {
  EXPECT_NE(std::system(LORRY_BUILD_DIR "/lorry --help > /dev/full 2> /dev/null"), 0);
}

TEST(Program, Stories260kGreedyEqualsTheReference) {
  const std::filesystem::path model = LORRY_SOURCE_DIR "/../shared/data/stories260k";
  if (!std::filesystem::exists(model)) GTEST_SKIP() << "needs ../shared/data/stories260k";
  const Outcome outcome = run_lorry({"generate", "--model", model, "--prompt", "", "--max-new-tokens", "256",
                                     "--temperature", "0", "--dtype", "f32", "--threads", "1"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, io::get(model / "expected_greedy.txt"));
}

}  // namespace
}  // namespace lorry::cli
