// A GGUF file wherever a model's folder is taken.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/program.hpp"
#include "io/io_support.hpp"
#include "support/golden_folder.hpp"

namespace lorry::cli {
namespace {

class GgufCommands : public testing::Test {
 protected:
  void SetUp() override { io::put(path("data.jsonl"), counting_records(5)); }

  [[nodiscard]] std::string path(std::string_view name) const { return scratch_ / name; }
  static std::string base() { return (golden_folder() / "gguf/qwen2.gguf").string(); }
  [[nodiscard]] Outcome train(const std::string& out, const std::vector<std::string>& more) const {
    std::vector<std::string> arguments = {
        "train", "--model",          base(),    "--data",  path("data.jsonl"),
        "--out", path(out),          "--dtype", "f32",     "--threads",
        "1",     "--max-seq-length", "64",      "--steps", "4"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_lorry(arguments);
  }
  static nlohmann::json json_of(std::vector<std::string> arguments) {
    arguments.emplace_back("--json");
    const Outcome outcome = run_lorry(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return nlohmann::json::parse(outcome.out, nullptr, false);
  }

  io::ScratchFolder scratch_;
};

TEST_F(GgufCommands, GenerateByTheIntegersOfTheFileUnlessFloatIsAskedFor) {
  const auto score = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {
        "generate", "--model", base(), "--prompt", "the", "--num-beams", "2", "--max-new-tokens", "8"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return json_of(arguments).at("score").get<double>();
  };
  const double by_default = score({});
  EXPECT_EQ(by_default, score({"--compute", "auto"}));
  EXPECT_EQ(by_default, score({"--memory-budget", "1GiB"}));
  const double in_float = score({"--compute", "float"});
  EXPECT_NE(by_default, in_float);
  EXPECT_NEAR(by_default, in_float, 0.03 * std::abs(in_float));
}

TEST_F(GgufCommands, TextsOfABatchAreThoseThatEachGetsAlone) {
  const auto texts = [&](const char* batch) {
    std::string out = run_lorry({"generate", "--model", base(), "--data", path("data.jsonl"),
                                 "--max-new-tokens", "12", "--batch-size", batch})
                          .out;
    EXPECT_NE(out, "");
    return out;
  };
  EXPECT_EQ(texts("1"), texts("5"));
}

TEST_F(GgufCommands, TrainEvaluateAndGenerate) {
  const Outcome trained = train("adapter", {"--lr", "0.01", "--save-steps", "2"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_NE(trained.out.find(" merge --model " + base()), std::string::npos) << trained.out;
  EXPECT_NE(trained.out.find(" --out MERGED.gguf\n"), std::string::npos) << trained.out;
  const auto loss = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"eval", "--data", path("data.jsonl"), "--dtype", "f32"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return json_of(arguments).at("loss").get<double>();
  };
  // The adapter names its base.
  EXPECT_LT(loss({"--adapter", path("adapter")}), loss({"--model", base()}) - 0.01);
  const Outcome text = run_lorry({"generate", "--model", base(), "--adapter", path("adapter"), "--prompt",
                                  "the", "--max-new-tokens", "4", "--temperature", "0"});
  EXPECT_EQ(text.code, 0) << text.err;
  const Outcome analysed =
      run_lorry({"analyze", "amplification", "--model", base(), "--adapter", path("adapter")});
  EXPECT_EQ(analysed.code, 0) << analysed.err;

  // What is resumed ends with the same bits.
  std::filesystem::create_directory(path("again"));
  for (const char* name : {"/checkpoint-2", "/log.jsonl"}) {
    std::filesystem::copy(path("adapter") + name, path("again") + name);
  }
  const Outcome resumed = train("again", {"--lr", "0.01", "--save-steps", "2", "--resume"});
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(io::get(path("again") + "/adapter_model.safetensors"),
            io::get(path("adapter") + "/adapter_model.safetensors"));
}

TEST_F(GgufCommands, MergedFileGoesOnAsTheAdapterDid) {
  const Outcome trained = train("adapter", {"--lr", "0.01"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  const nlohmann::json merged =
      json_of({"merge", "--adapter", path("adapter"), "--out", path("merged.gguf"), "--threads", "2"});
  EXPECT_EQ(merged.at("out"), path("merged.gguf"));
  EXPECT_GT(merged.at("tensors").size(), 6U);
  EXPECT_EQ(merged.at("tensors").at(0).at("name"), "blk.0.attn_q.weight");
  EXPECT_GT(merged.at("lost_to_update"), 0.0);
  const auto types = [](const std::string& model) {
    return json_of({"inspect", model}).at("elements_by_dtype");
  };
  EXPECT_EQ(types(path("merged.gguf")), types(base()));
  const Outcome again = run_lorry({"merge", "--adapter", path("adapter"), "--out", path("merged.gguf")});
  EXPECT_EQ(again.code, 1);
  EXPECT_NE(again.err.find("merged.gguf: found a file or folder of that name; expected a new one"),
            std::string::npos)
      << again.err;
  const auto loss = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"eval", "--data", path("data.jsonl"), "--dtype", "f32"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return json_of(arguments).at("loss").get<double>();
  };
  const double before = loss({"--model", base()});
  const double beside = loss({"--adapter", path("adapter")});
  EXPECT_NEAR(loss({"--model", path("merged.gguf")}), beside, 0.5 * (before - beside));
}

TEST_F(GgufCommands, InspectAndEstimate) {
  const nlohmann::json model = json_of({"inspect", base()});
  EXPECT_EQ(model.at("model_type"), "qwen2");
  EXPECT_EQ(model.at("elements_by_dtype").at("Q4_0"), 8192);
  const Outcome planned = train("plan", {"--dry-run"});
  EXPECT_EQ(planned.code, 0) << planned.err;
}

TEST_F(GgufCommands, AddedTokensGoWithTheAdapter) {
  const Outcome trained = train("adapter", {"--add-tokens", "<new>"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  const std::string settings = io::get(path("adapter") + "/tokenizer_config.json");
  EXPECT_NE(settings.find("\"eos_token\": \"<|im_end|>\""), std::string::npos) << settings;
  const Outcome text = run_lorry({"generate", "--model", base(), "--adapter", path("adapter"), "--prompt",
                                  "<new>", "--max-new-tokens", "2"});
  EXPECT_EQ(text.code, 0) << text.err;
}

TEST_F(GgufCommands, WhatIsNotSupportedIsRefused) {
  const Outcome full = train("full", {"--method", "full"});
  EXPECT_EQ(full.code, 1);
  EXPECT_NE(full.err.find("found a GGUF file; expected a Hugging Face folder to train every weight of"),
            std::string::npos)
      << full.err;
  const Outcome missing = run_lorry({"generate", "--model", path("none.gguf"), "--prompt", "x"});
  EXPECT_EQ(missing.code, 1);
  EXPECT_NE(missing.err.find("none.gguf: cannot open"), std::string::npos) << missing.err;
}

}  // namespace
}  // namespace lorry::cli
