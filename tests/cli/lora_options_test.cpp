// Which layers a fresh adapter adapts, and how it scales them: flags, YAML, files, a sweep, mistakes.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>

#include "cli/tiny_model_test.hpp"
#include "io/json_file.hpp"

namespace lorry::cli {
namespace {

class LoraOptions : public TinyModelTest {
 protected:
  static io::Json config_of(const std::string& out) {
    return io::read_json_file(path(out) + "/adapter_config.json");
  }
  static std::string weights_of(const std::string& out) {
    return io::get(path(out) + "/adapter_model.safetensors");
  }
  static void expect_error(const Arguments& more, const std::string& words) {
    expect_refusal(train("wrong", more), words, "wrong");
  }
};

TEST_F(LoraOptions, FlagsReachTheAdapterAndTheConfigRepeatsThem) {
  const Outcome outcome =
      train("flags", {"--target-modules", "q_proj,v_proj,down_proj", "--exclude-modules", "self_attn.v_proj",
                      "--layers-to-transform", "1, 0", "--layers-pattern", "layers", "--use-rslora",
                      "--rank-pattern", R"(layers\.1\.self_attn\.[qk]_proj=5)", "--rank-pattern",
                      "down_proj=2", "--alpha-pattern", "down_proj=2.5"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("rsLoRA, rank 8, alpha 16, on 4 layers"), std::string::npos) << outcome.err;
  const io::Json config = config_of("flags");
  EXPECT_EQ(config.at("use_rslora"), true);
  EXPECT_EQ(config.at("exclude_modules"), io::Json({"self_attn.v_proj"}));
  EXPECT_EQ(config.at("layers_to_transform"), io::Json({1, 0}));
  EXPECT_EQ(config.at("layers_pattern"), io::Json({"layers"}));
  EXPECT_EQ(config.at("rank_pattern"),
            io::Json({{R"(layers\.1\.self_attn\.[qk]_proj)", 5}, {"down_proj", 2}}));
  EXPECT_EQ(config.at("alpha_pattern"), io::Json({{"down_proj", 2.5}}));

  const Outcome again = run_lorry({"train", "--config", path("flags/train.yaml"), "--out", path("again")});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(weights_of("again"), weights_of("flags"));
  EXPECT_EQ(config_of("again"), config);

  const Outcome plain = train("plain", {"--target-modules", "q_proj,down_proj"});
  ASSERT_EQ(plain.code, 0) << plain.err;
  EXPECT_NE(weights_of("plain"), weights_of("flags"));
  EXPECT_FALSE(config_of("plain").contains("use_rslora"));

  const Outcome inspected = run_lorry({"inspect", path("flags"), "--json"});
  ASSERT_EQ(inspected.code, 0) << inspected.err;
  const io::Json shown = io::Json::parse(inspected.out);
  EXPECT_EQ(shown.at("use_rslora"), true);
  EXPECT_NEAR(shown.at("scale").get<double>(), 16 / std::sqrt(8.0), 1e-6);
  EXPECT_NEAR(shown.at("modules")[0].at("scale").get<double>(), 2.5 / std::sqrt(2.0), 1e-12);
}

TEST_F(LoraOptions, UpdatesThatBeginAsAPartOfTheWeightsGoWithThePlainBase) {
  const Outcome outcome = train("olora", {"--init-lora-weights", "olora", "--rank", "3", "--alpha", "6",
                                          "--target-modules", "q_proj", "--xray-steps", "2"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(config_of("olora").at("init_lora_weights"), true);
  EXPECT_EQ(config_of("olora").at("r"), 6);
  EXPECT_EQ(config_of("olora").at("lora_alpha"), 12);
  const Outcome again = run_lorry({"train", "--config", path("olora/train.yaml"), "--out", path("olora2")});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(weights_of("olora2"), weights_of("olora"));
  const Outcome on = train("on", {"--adapter", path("olora")});
  EXPECT_EQ(on.code, 0) << on.err;
  expect_error(
      {"--init-lora-weights", "eva"},
      "--init-lora-weights: found \"eva\"; expected one of true, false, gaussian, pissa, pissa_niter_N, "
      "olora");
  expect_error({"--init-lora-weights", "pissa", "--rank", "999"}, "is above the smaller side");
}

TEST_F(LoraOptions, WhatIsWrittenCanBeReadAtTheBoundsOfAlpha) {
  for (const char* alpha : {"1e29", "1e-29"}) {
    const std::string out = fmt::format("alpha{}", alpha);
    const Outcome outcome = train(out, {"--init-lora-weights", "pissa", "--rank", "3", "--lr", "1e-30",
                                        "--alpha", alpha, "--target-modules", "q_proj"});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    const Outcome read = run_lorry({"inspect", path(out)});
    EXPECT_EQ(read.code, 0) << read.err;
  }
  for (const char* alpha : {"1e30", "1e-30"}) {
    expect_error(
        {"--init-lora-weights", "pissa", "--alpha", alpha},
        fmt::format("--alpha: found \"{}\"; expected a number of at least 1e-29 and at most 1e+29", alpha));
  }
  expect_error({"--rank", "500000", "--target-modules", "q_proj"},
               "[lora]: rank: found 500000; expected at most 131072");
}

TEST_F(LoraOptions, ARankAboveTheSidesOfWIsRefusedByEveryCommand) {
  const std::string words =
      "[lora] model.layers.0.self_attn.q_proj: rank 40 is above the smaller side, 32; expected at most that "
      "many "
      "directions of W";
  const std::string head = fmt::format(
      "model: {}\ndata: {}\neval_data: {}\nsteps: 2\nthreads: 1\ndtype: f32\ntarget_modules: q_proj\n"
      "init_lora_weights: olora\n",
      path("model"), path("data.jsonl"), path("data.jsonl"));
  io::put(path("sides.yaml"), head + "rank: 40\n");
  const std::string config = path("sides.yaml");
  expect_refusal(run_lorry({"train", "--config", config, "--out", path("wrong")}), "error: " + words,
                 "wrong");
  expect_refusal(run_lorry({"train", "--config", config, "--out", path("wrong"), "--dry-run"}),
                 "error: " + words, "wrong");
  expect_refusal(run_lorry({"estimate", "--config", config, "--memory-only"}), "error: " + words, "wrong");
  io::put(path("sides_grid.yaml"), head + "grid: {rank: [2, 40]}\n");
  for (const bool dry : {true, false}) {
    Arguments sweep = {"sweep", "--config", path("sides_grid.yaml"), "--out", path("sides_sweep")};
    if (dry) sweep.emplace_back("--dry-run");
    const Outcome outcome = run_lorry(sweep);
    EXPECT_EQ(outcome.code, 1);
    EXPECT_NE(outcome.err.find("row 2 (q_proj r=40): " + words), std::string::npos) << outcome.err;
    EXPECT_FALSE(std::filesystem::exists(path("sides_sweep/report.md"))) << "a cell was trained";
  }
}

TEST_F(LoraOptions, DoraTrainsEvaluatesMergesAndIsNotAnalysed) {
  const Outcome outcome =
      train("dora", {"--use-dora", "--dropout", "0.1", "--target-modules", "q_proj,down_proj"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("DoRA, rank 8, alpha 16"), std::string::npos) << outcome.err;
  EXPECT_EQ(config_of("dora").at("use_dora"), true);
  EXPECT_NE(weights_of("dora").find("lora_magnitude_vector"), std::string::npos);
  const auto loss = [](const Arguments& model) {
    Arguments arguments = {"eval", "--data", path("data.jsonl"), "--dtype", "f32", "--threads",
                           "1",    "--json"};
    arguments.insert(arguments.end(), model.begin(), model.end());
    const Outcome evaluated = run_lorry(arguments);
    EXPECT_EQ(evaluated.code, 0) << evaluated.err;
    return evaluated.code == 0 ? io::Json::parse(evaluated.out).at("loss").get<double>() : 0.0;
  };
  const Outcome merged =
      run_lorry({"merge", "--model", path("model"), "--adapter", path("dora"), "--out", path("merged")});
  ASSERT_EQ(merged.code, 0) << merged.err;
  const double beside = loss({"--model", path("model"), "--adapter", path("dora")});
  EXPECT_NEAR(loss({"--model", path("merged")}), beside, 1e-5);
  EXPECT_GT(std::abs(loss({"--model", path("model")}) - beside), 1e-5);
  const Outcome on = train("dora_on", {"--adapter", path("dora")});
  EXPECT_EQ(on.code, 0) << on.err;
  const Outcome analysed = run_lorry({"analyze", "spectrum", path("dora")});
  EXPECT_EQ(analysed.code, 1);
  EXPECT_NE(
      analysed.err.find("field \"use_dora\": found true; expected an adapter whose change has low rank"),
      std::string::npos)
      << analysed.err;
  expect_error({"--use-dora", "--xray-steps", "1"}, "--xray-steps: has no meaning with DoRA");
  expect_error({"--adapter", path("dora"), "--xray-steps", "1"}, "--xray-steps: has no meaning with DoRA");
  expect_error({"--use-dora", "--init-lora-weights", "pissa"},
               "use_dora: found with init_lora_weights pissa");
}

TEST_F(LoraOptions, YamlHasThemAsMappingsAndLists) {
  io::put(path("run.yaml"), fmt::format(R"(model: {}
data: {}
out: {}
steps: 2
threads: 1
dtype: f32
target_modules: [q_proj, v_proj]
layers_to_transform: [1]
layers_pattern: [layers]
use_rslora: true
rank_pattern: {{q_proj: 3}}
alpha_pattern:
  ".*v_proj": 12
)",
                                        path("model"), path("data.jsonl"), path("yaml")));
  const Outcome outcome = run_lorry({"train", "--config", path("run.yaml")});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(config_of("yaml").at("rank_pattern"), io::Json({{"q_proj", 3}}));
  EXPECT_EQ(config_of("yaml").at("alpha_pattern"), io::Json({{".*v_proj", 12}}));
  EXPECT_EQ(config_of("yaml").at("layers_to_transform"), io::Json({1}));
  // A flag takes the place of the whole mapping.
  const Outcome other = run_lorry(
      {"train", "--config", path("run.yaml"), "--out", path("other"), "--rank-pattern", "v_proj=2"});
  ASSERT_EQ(other.code, 0) << other.err;
  EXPECT_EQ(config_of("other").at("rank_pattern"), io::Json({{"v_proj", 2}}));
}

TEST_F(LoraOptions, TheLastLayersAreKnownOnceTheModelIs) {
  ASSERT_EQ(train("last", {"--target-modules", "q_proj", "--layers-to-transform=-1"}).code, 0);
  EXPECT_EQ(config_of("last").at("layers_to_transform"), io::Json({1}));
  io::put(path("mlx.yaml"), "num_layers: 1\n");  // mlx-lm's name
  ASSERT_EQ(train("mlx", {"--target-modules", "q_proj", "--config", path("mlx.yaml")}).code, 0);
  EXPECT_EQ(weights_of("mlx"), weights_of("last"));
  const Outcome again = run_lorry({"train", "--config", path("mlx/train.yaml"), "--out", path("mlx-again")});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(weights_of("mlx-again"), weights_of("last"));
  io::put(path("mlx-all.yaml"), "num_layers: -1\n");
  ASSERT_EQ(train("mlx-all", {"--target-modules", "q_proj", "--config", path("mlx-all.yaml")}).code, 0);
  EXPECT_FALSE(config_of("mlx-all").contains("layers_to_transform"));
  expect_error({"--layers-to-transform=-3"},
               "[lora] layers_to_transform: found the last 3 layers; this model has 2");
}

TEST_F(LoraOptions, MistakesAreNamed) {
  for (const char* pair : {"q_proj", "=3", "q_proj=0", "q_proj=2.5", "q_proj="}) {
    expect_error(
        {"--rank-pattern", pair},
        fmt::format("--rank-pattern: found \"{}\"; expected KEY=N with an integer of at least 1, each "
                    "key once",
                    pair));
  }
  expect_error({"--rank-pattern", "q_proj=2", "--rank-pattern", "q_proj=3"}, "each key once");
  expect_error({"--alpha-pattern", "q_proj=x"}, "--alpha-pattern: found \"q_proj=x\"; expected KEY=X with");
  expect_error({"--rank-pattern", "w_proj=2"},
               "[lora] \"rank_pattern\": key \"w_proj\" matches none of the chosen layers");
  expect_error({"--layers-to-transform", "0,-1"},
               "--layers-to-transform: found \"0,-1\"; expected integers of at least 0, separated by commas");
  expect_error({"--layers-to-transform", "0,9"},
               "layers_to_transform: found 9; this model has layers 0 to 1");
  expect_error({"--exclude-modules", "w"}, "[lora] exclude_modules: \"w\" matches no linear layer");
  expect_error({"--method", "full", "--use-rslora"}, "--use-rslora: has no effect with --method full");
  ASSERT_EQ(train("start", {}).code, 0);
  expect_error({"--adapter", path("start"), "--rank-pattern", "q_proj=2"},
               "--rank-pattern: has no effect with --adapter, which brings its own");
}

TEST_F(LoraOptions, ResumingWithOthersIsRefused) {
  ASSERT_EQ(train("resumed", {"--use-rslora", "--rank-pattern", "q_proj=2", "--resume"}).code, 0);
  const Outcome same = train("resumed", {"--use-rslora", "--rank-pattern", "q_proj=2", "--resume"});
  EXPECT_EQ(same.code, 0) << same.err;
  const Outcome other = train("resumed", {"--use-rslora", "--rank-pattern", "q_proj=3", "--resume"});
  EXPECT_EQ(other.code, 1);
  EXPECT_NE(other.err.find("rank_pattern: {\"q_proj\":2}, now {\"q_proj\":3}"), std::string::npos)
      << other.err;
}

TEST_F(LoraOptions, SweepsVaryThemAndShareThePatterns) {
  const std::string head = fmt::format(
      "model: {}\ndata: {}\neval_data: {}\nsteps: 2\nthreads: 1\ndtype: f32\ntarget_modules: q_proj,v_proj\n",
      path("model"), path("data.jsonl"), path("data.jsonl"));
  io::put(path("sweep.yaml"), head +
                                  "rank: 4\nrank_pattern: {v_proj: 2}\n"
                                  "grid: {use_rslora: [false, true], layers_to_transform: [0, [0, 1]]}\n");
  const Outcome outcome =
      run_lorry({"sweep", "--config", path("sweep.yaml"), "--out", path("sweep"), "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const io::Json rows = io::Json::parse(outcome.out).at("rows");
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_EQ(rows[0].at("trainable_parameters").get<std::int64_t>() * 2,
            rows[1].at("trainable_parameters").get<std::int64_t>());
  io::put(path("pattern.yaml"), head + "grid: {rank_pattern: [{v_proj: 2}]}\n");
  const Outcome refused = run_lorry({"sweep", "--config", path("pattern.yaml"), "--out", path("refused")});
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("grid: found \"rank_pattern\"; expected it outside, since all cells share it"),
            std::string::npos)
      << refused.err;
}

}  // namespace
}  // namespace lorry::cli
