// W_q and W_v of a GPT-2 model adapted apart, from training to the merged model, as a user goes about it.
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/program.hpp"
#include "io/io_support.hpp"

namespace lorry::cli {
namespace {

using Json = nlohmann::json;
using Arguments = std::vector<std::string>;

constexpr const char* kConfig = R"({
  "model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "vocab_size": 260, "n_embd": 32, "n_layer": 2,
  "n_head": 4, "n_positions": 128, "initializer_range": 0.3, "bos_token_id": 0, "eos_token_id": 1})";

class PartsCommands : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch_ = std::make_unique<io::ScratchFolder>();
    write_tiny_parts(path("parts"));
    io::put(path("parts") + "/config.json", kConfig);
    const Outcome made = run_lorry({"init", "--config", path("parts") + "/config.json", "--tokenizer",
                                    path("parts") + "/tokenizer.json", "--dtype", "f32", "--seed", "3",
                                    "--out", path("model")});
    ASSERT_EQ(made.code, 0) << made.err;
    std::filesystem::create_directory(path("data"));
    io::put(path("data") + "/train.jsonl", counting_records(40));
    io::put(path("data") + "/valid.jsonl", counting_records(5));
    const Outcome outcome = train("adapter", {"--target-modules", "q_proj,v_proj", "--json"});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    report_ = std::make_unique<Json>(Json::parse(outcome.out));
  }
  static void TearDownTestSuite() {
    report_.reset();
    scratch_.reset();
  }

  static std::string path(std::string_view name) { return *scratch_ / name; }
  static Outcome train(const std::string& out, const Arguments& more) {
    Arguments arguments = {"train",   "--model", path("model"), "--data",    path("data"), "--out",
                           path(out), "--steps", "20",          "--lr",      "0.01",       "--dtype",
                           "f32",     "--seed",  "7",           "--threads", "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_lorry(arguments);
  }
  static Json report(Arguments arguments) {
    arguments.emplace_back("--json");
    const Outcome outcome = run_lorry(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return Json::parse(outcome.out, nullptr, false);
  }
  static double loss_of(const std::string& model, const Arguments& more) {
    Arguments arguments = {"eval",    "--model", path(model), "--data", path("data"),
                           "--dtype", "f32",     "--threads", "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return report(arguments).at("loss");
  }

  static std::unique_ptr<io::ScratchFolder> scratch_;
  static std::unique_ptr<Json> report_;
};

std::unique_ptr<io::ScratchFolder> PartsCommands::scratch_;
std::unique_ptr<Json> PartsCommands::report_;

TEST_F(PartsCommands, TrainCountsWhatTrainsAndLearns) {
  EXPECT_EQ(report_->at("trainable_parameters"), 2 * 2 * 8 * (32 + 32));
  EXPECT_LT(report_->at("eval_loss"), 0.8 * report_->at("eval_loss_before").get<double>());
}

TEST_F(PartsCommands, EvalAndMergeAgreeWithTraining) {
  const double loss = loss_of("model", {"--adapter", path("adapter")});
  EXPECT_NEAR(loss, report_->at("eval_loss"), 1e-6);
  const Outcome merged = run_lorry({"merge", "--model", path("model"), "--adapter", path("adapter"), "--out",
                                    path("merged"), "--threads", "1"});
  ASSERT_EQ(merged.code, 0) << merged.err;
  EXPECT_NEAR(loss_of("merged", {}), loss, 1e-4);
  const Arguments generate = {"generate", "--prompt", "say 3:", "--temperature", "0", "--max-new-tokens",
                              "8",        "--dtype",  "f32",    "--threads",     "1"};
  const auto text_of = [&](const Arguments& model) {
    Arguments arguments = generate;
    arguments.insert(arguments.end(), model.begin(), model.end());
    const Outcome outcome = run_lorry(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.out;
  };
  EXPECT_EQ(text_of({"--model", path("model"), "--adapter", path("adapter")}),
            text_of({"--model", path("merged")}));
}

TEST_F(PartsCommands, TrainingGoesOnWithTheSameParts) {
  const Outcome outcome = train("more", {"--adapter", path("adapter"), "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json more = Json::parse(outcome.out);
  EXPECT_EQ(more.at("trainable_parameters"), report_->at("trainable_parameters"));
  EXPECT_NEAR(more.at("eval_loss_before"), report_->at("eval_loss"), 1e-6);
  EXPECT_LT(more.at("eval_loss"), report_->at("eval_loss"));
}

TEST_F(PartsCommands, InspectShowsTheParts) {
  const Json adapter = report({"inspect", path("adapter")});
  ASSERT_EQ(adapter.at("modules").size(), 4U);
  EXPECT_EQ(adapter.at("modules")[1].at("name"), "transformer.h.0.attn.c_attn.v");
  EXPECT_EQ(adapter.at("modules")[1].at("rank"), 8);
  EXPECT_EQ(adapter.at("modules")[1].at("scale"), 2.0);
  EXPECT_EQ(adapter.at("modules")[1].at("outputs"), 32);
  EXPECT_EQ(adapter.at("parameters"), report_->at("trainable_parameters"));
  EXPECT_EQ(adapter.at("rank"), 16);  // of the update that PEFT sees
  EXPECT_EQ(adapter.at("alpha"), 32);
  const Json model = report({"inspect", path("model")});
  ASSERT_EQ(model.at("linear_parts").size(), 3U);
  EXPECT_EQ(model.at("linear_parts")[0],
            (Json{{"name", "attn.c_attn.q"}, {"inputs", 32}, {"outputs", 32}, {"count", 2}}));
  EXPECT_NE(run_lorry({"inspect", path("model")}).out.find("\n  attn.c_attn.k           32 x 32, 2\n"),
            std::string::npos);
}

TEST_F(PartsCommands, AnalyzeLooksAtEachPart) {
  const Json spectrum = report({"analyze", "spectrum", path("adapter"), "--threads", "1"});
  ASSERT_EQ(spectrum.at("modules").size(), 4U);
  EXPECT_EQ(spectrum.at("modules")[0].at("module"), "transformer.h.0.attn.c_attn.q");
  EXPECT_LE(spectrum.at("modules")[0].at("singular_values").size(), 8U);
  const Json amplification = report({"analyze", "amplification", path("adapter"), "--model", path("model"),
                                     "--modules", "c_attn.v", "--threads", "1"});
  ASSERT_EQ(amplification.at("modules").size(), 2U);
  EXPECT_GT(amplification.at("modules")[0].at("amplification"), 0);
  // What compress writes is for PEFT: of the whole map.
  const Outcome compressed = run_lorry(
      {"analyze", "compress", path("adapter"), "--rank", "16", "--out", path("same"), "--threads", "1"});
  ASSERT_EQ(compressed.code, 0) << compressed.err;
  EXPECT_NEAR(loss_of("model", {"--adapter", path("same")}), report_->at("eval_loss"), 1e-4);
}

TEST_F(PartsCommands, MistakesHaveTheirLines) {
  const auto error_of = [](const std::string& targets) {
    const Outcome outcome = train("wrong", {"--target-modules", targets});
    EXPECT_EQ(outcome.code, 1);
    EXPECT_FALSE(std::filesystem::exists(path("wrong")));
    return outcome.err;
  };
  EXPECT_EQ(error_of("c_attn,c_attn.q"),
            "error: [lora] target_modules: found transformer.h.0.attn.c_attn and its part "
            "transformer.h.0.attn.c_attn.q; expected a map as a whole or parts of it\n");
  EXPECT_NE(error_of("c_attn.w").find("it has: c_attn, c_attn.k, c_attn.q, c_attn.v, c_fc"),
            std::string::npos);
}

TEST_F(PartsCommands, SweepsOverParts) {
  io::put(
      path("sweep.yaml"),
      "model: " + path("model") + "\ndata: " + path("data") +
          "\nsteps: 2\ndtype: f32\nthreads: 1\nbudget: {rank: 8, target_modules: q_proj}\n"
          "grid:\n  target_modules:\n    W_q: q_proj\n    W_q,W_v: [c_attn.q, c_attn.v]\n    all: c_attn\n");
  const Json swept = report({"sweep", "--config", path("sweep.yaml"), "--out", path("swept")});
  ASSERT_EQ(swept.at("rows").size(), 3U);
  const std::vector<int> want = {8 * 2 * 64, 4 * 2 * 2 * 64, 4 * 2 * 128};
  for (std::size_t i = 0; i < want.size(); ++i) {
    EXPECT_EQ(swept.at("rows")[i].at("trainable_parameters"), want[i]);
    EXPECT_EQ(swept.at("rows")[i].at("finished"), 1);
  }
  const std::string cell = path("swept") + "/cells/" + swept.at("rows")[1].at("cells")[0].get<std::string>();
  EXPECT_EQ(report({"inspect", cell}).at("parameters"), want[1]);
}

}  // namespace
}  // namespace lorry::cli
