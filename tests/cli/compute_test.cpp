// --compute int8: products of the frozen weights in integers, in every command that computes with a model.
#include <cmath>
#include <filesystem>

#include "cli/tiny_model_test.hpp"
#include "io/json_file.hpp"

namespace lorry::cli {
namespace {

class Compute : public TinyModelTest {};

TEST_F(Compute, Int8TrainsAlmostAsFloatDoes) {
  std::vector<double> losses;
  for (const char* compute : {"float", "int8", "int8-forward"}) {
    const Outcome outcome = train(compute, {"--compute", compute, "--lr", "1e-3", "--json"});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    losses.push_back(io::Json::parse(outcome.out)["loss"].get<double>());
  }
  EXPECT_NE(losses[0], losses[1]);
  EXPECT_NE(losses[1], losses[2]);
  EXPECT_NEAR(losses[1], losses[0], 0.02 * losses[0]);
  EXPECT_NEAR(losses[2], losses[0], 0.02 * losses[0]);
}

TEST_F(Compute, AResumedRunKeepsIt) {
  ASSERT_EQ(train("whole", {"--compute", "int8", "--save-steps", "2"}).code, 0);
  cut_short("whole", "part");
  const Outcome other = train("part", {"--save-steps", "2", "--resume"});
  EXPECT_EQ(other.code, 1);
  EXPECT_NE(other.err.find("compute: \"int8\", now none"), std::string::npos) << other.err;
  ASSERT_EQ(train("part", {"--compute", "int8", "--save-steps", "2", "--resume"}).code, 0);
  EXPECT_EQ(io::get(path("part/adapter_model.safetensors")),
            io::get(path("whole/adapter_model.safetensors")));
}

TEST_F(Compute, EvaluatesAndGenerates) {
  std::vector<double> losses;
  for (const char* compute : {"float", "int8"}) {
    const Outcome outcome = run({"eval", "--model", path("model"), "--data", path("data.jsonl"), "--threads",
                                 "1", "--compute", compute, "--json"},
                                {});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    const io::Json json = io::Json::parse(outcome.out);
    EXPECT_EQ(json["compute"], compute);
    losses.push_back(json["loss"].get<double>());
  }
  EXPECT_NE(losses[0], losses[1]);
  EXPECT_NEAR(losses[1], losses[0], 0.02 * losses[0]);
}

TEST_F(Compute, GeneratesWithTheRoundedWeights) {
  std::vector<double> scores;
  for (const char* compute : {"float", "int8"}) {
    const Outcome outcome =
        run({"generate", "--model", path("model"), "--prompt", "say 3:", "--max-new-tokens", "4",
             "--num-beams", "2", "--threads", "1", "--dtype", "f32", "--compute", compute, "--json"},
            {});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    scores.push_back(io::Json::parse(outcome.out)["score"].get<double>());
  }
  EXPECT_NE(scores[0], scores[1]);
  EXPECT_NEAR(scores[1], scores[0], 0.05 * std::abs(scores[0]));
}

TEST_F(Compute, GoesWithDoraDropoutAndTrainedModules) {
  std::vector<double> losses;
  for (const char* compute : {"float", "int8"}) {
    const Outcome outcome =
        train(std::string("beside ") + compute,
              {"--compute", compute, "--lr", "1e-3", "--json", "--use-dora", "--dropout", "0.1"});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    losses.push_back(io::Json::parse(outcome.out)["loss"].get<double>());
  }
  EXPECT_NE(losses[0], losses[1]);
  EXPECT_NEAR(losses[1], losses[0], 0.02 * losses[0]);
  const Outcome saved = train("saved", {"--compute", "int8", "--modules-to-save", "lm_head", "--json"});
  EXPECT_EQ(saved.code, 0) << saved.err;
}

TEST_F(Compute, CellsOfASweepAreTheRunsOfTheirOwn) {
  io::put(path("sweep.yaml"), "model: " + path("model") + "\ndata: " + path("data.jsonl") +
                                  "\neval_data: " + path("data.jsonl") +
                                  "\ndtype: f32\ncompute: int8\nsteps: 3\nmax_seq_length: 64\n"
                                  "grid:\n  rank: [2, 8]\n  seed: [1]\n");
  const Outcome swept =
      run({"sweep", "--config", path("sweep.yaml"), "--out", path("sweep"), "--threads", "1"}, {});
  ASSERT_EQ(swept.code, 0) << swept.err;
  Index cells = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path("sweep"))) {
    if (entry.path().filename() != "train.yaml") continue;
    const std::string alone = path("alone " + std::to_string(++cells));
    const Outcome outcome = run_lorry({"train", "--config", entry.path().string(), "--out", alone,
                                       "--threads", "1", "--report-to", "none"});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_NE(io::get(alone + "/train.yaml").find("compute: int8"), std::string::npos);
    const std::string file = "/adapter_model.safetensors";
    EXPECT_EQ(io::get(alone + file), io::get(entry.path().parent_path().string() + file)) << entry.path();
  }
  EXPECT_EQ(cells, 2);
}

TEST_F(Compute, EstimateCountsTheCopies) {
  std::vector<Index> weights;
  for (const char* compute : {"float", "int8"}) {
    const Outcome outcome = run({"estimate", "--model", path("model"), "--max-seq-length", "64", "--threads",
                                 "1", "--memory-only", "--compute", compute, "--json"},
                                {});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    weights.push_back(io::Json::parse(outcome.out)["memory"]["weights"].get<Index>());
  }
  // Of two blocks: four maps of attention and three of the MLP, F32 in the file.
  const io::Json config = io::read_json_file(path("model") + "/config.json");
  const auto size = [&](const char* key) { return config[key].get<Index>(); };
  const Index width = size("hidden_size");
  const Index kv = width / size("num_attention_heads") * size("num_key_value_heads");
  const Index inner = size("intermediate_size");
  const Index blocks = size("num_hidden_layers");
  const Index elements = blocks * (2 * width * width + 2 * kv * width + 3 * width * inner);
  const Index rows = blocks * (2 * width + 2 * kv + 2 * inner + width);
  EXPECT_EQ(weights[0] - weights[1], 3 * elements - 4 * rows);
}

TEST_F(Compute, RefusesWhatItDoesNotGoWith) {
  expect_refusal(train("full", {"--compute", "int8", "--method", "full"}),
                 "--compute: found int8 with --method full", "full");
  expect_refusal(train("budget", {"--compute", "int8", "--memory-budget", "1GiB"}),
                 "--compute: found int8 with --memory-budget", "budget");
  expect_refusal(train("word", {"--compute", "int4"}), "expected one of float, int8, int8-forward", "word");
  expect_refusal(train("auto", {"--compute", "auto"}), "expected one of float, int8, int8-forward", "auto");
  const Outcome eval = run({"eval", "--model", path("model"), "--data", path("data.jsonl"), "--compute",
                            "int8-forward", "--memory-budget", "1GiB"},
                           {});
  EXPECT_NE(eval.code, 0);
  EXPECT_NE(eval.err.find("--compute: found int8-forward with --memory-budget"), std::string::npos)
      << eval.err;
}

}  // namespace
}  // namespace lorry::cli
