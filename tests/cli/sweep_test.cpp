// `lorry sweep` as its users run it, on a tiny model of random weights.
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/program.hpp"
#include "io/io_support.hpp"

namespace lorry::cli {
namespace {

using Json = nlohmann::json;
using Arguments = std::vector<std::string>;
namespace fs = std::filesystem;

constexpr const char* kFirst = "q_proj-r1-alpha1-lr0.01-seed1";

/// One model, one data set and one finished sweep for all tests of this file.
class SweepCommand : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch_ = std::make_unique<io::ScratchFolder>();
    make_tiny_model(path("parts"), path("model"));
    fs::create_directory(path("data"));
    io::put(path("data") + "/train.jsonl", counting_records(20));
    io::put(path("data") + "/valid.jsonl", counting_records(5));
    io::put(path("sweep.yaml"),
            "model: " + path("model") + "\ndata: " + path("data") +
                "\nsteps: 3\nlr: 0.01\nmax_seq_length: 64\ndtype: f32\nthreads: 1\n"
                "grid:\n  target_modules: {W_q: q_proj, \"W_q,W_v\": [q_proj, v_proj]}\n  rank: [1, 2]\n"
                "  seed: [1, 2]\nrows:\n  - {method: full, lr: 0.001}\n");
    const Outcome outcome = sweep("out", {"--json"});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    report_ = Json::parse(outcome.out);
    notes_ = outcome.err;
  }
  static void TearDownTestSuite() { scratch_.reset(); }

  static std::string path(std::string_view name) { return *scratch_ / name; }
  static std::string cell(const std::string& name) { return path("out") + "/cells/" + name; }
  static Outcome sweep(const std::string& out, Arguments more = {}) {
    Arguments arguments = {"sweep", "--config", path("sweep.yaml"), "--out", path(out)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_lorry(arguments);
  }
  static void expect_error(const Outcome& outcome, const std::string& words) {
    EXPECT_NE(outcome.code, 0);
    EXPECT_EQ(outcome.out, "");
    EXPECT_NE(outcome.err.find(words), std::string::npos) << outcome.err;
  }

  static inline std::unique_ptr<io::ScratchFolder> scratch_;
  static inline Json report_;
  static inline std::string notes_;
};

TEST_F(SweepCommand, JsonAndFilesTellTheSame) {
  EXPECT_EQ(report_["cells"], 10);
  EXPECT_EQ(report_["finished"], 10);
  ASSERT_EQ(report_["rows"].size(), 5U);
  const Json& row = report_["rows"][3];
  EXPECT_EQ(row["row"], "W_q,W_v r=2");
  EXPECT_EQ(row["settings"]["alpha"], 1.0);  // the first rank tried
  EXPECT_EQ(row["eval_loss"]["n"], 2);
  EXPECT_GT(row["eval_loss"]["deviation"], 0.0);
  Json file = Json::parse(io::get(path("out") + "/report.json"));
  file["out"] = report_["out"];
  EXPECT_EQ(file, report_);
  EXPECT_NE(io::get(path("out") + "/report.html").find("<svg"), std::string::npos);
  EXPECT_NE(io::get(path("out") + "/report.md").find("| W_q,W_v "), std::string::npos);
  EXPECT_NE(notes_.find("9 of 10 cells left, about"), std::string::npos) << notes_;
  EXPECT_NE(notes_.find("all cells are finished"), std::string::npos);
}

TEST_F(SweepCommand, CellsEqualTrainWithTheirConfig) {
  for (const auto& [name, file] : {std::pair{kFirst, "adapter_model.safetensors"},
                                   std::pair{"full-lr0.001-seed2", "model.safetensors"}}) {
    const std::string again = path(std::string("again ") + name);
    const Outcome outcome =
        run_lorry({"train", "--config", cell(name) + "/train.yaml", "--out", again, "--threads", "1"});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(io::get(again + "/" + file), io::get(cell(name) + "/" + file)) << name;
  }
}

TEST_F(SweepCommand, TrainYamlHasEveryOptionThatTrainWouldRecord) {
  const std::string again = path("recorded");
  ASSERT_EQ(
      run_lorry({"train", "--config", cell(kFirst) + "/train.yaml", "--out", again, "--threads", "1"}).code,
      0);
  // Keys alone, without those that no result of a cell depends on.
  const std::set<std::string> ignored = {
      "out", "threads", "grad_checkpoint", "xray_steps", "save_steps", "save_total_limit",
      "early_stopping_patience", "load_best_model_at_end", "report_to", "profile",
      // what a cell leaves out where it is off, as here
      "bias", "compute", "lora_bias", "init_lora_weights", "share_prompts", "use_rslora", "use_dora"};
  const auto keys = [&](const std::string& yaml) {
    std::vector<std::string> all;
    std::istringstream lines(yaml);
    for (std::string line; std::getline(lines, line);) {
      const std::string key = line.substr(0, line.find(':'));
      if (!line.starts_with('#') && !ignored.contains(key)) all.push_back(key);
    }
    std::sort(all.begin(), all.end());
    return all;
  };
  EXPECT_EQ(keys(io::get(cell(kFirst) + "/train.yaml")), keys(io::get(again + "/train.yaml")));
}

TEST_F(SweepCommand, FinishedCellsAreNotTrainedAgain) {
  const auto written = fs::last_write_time(cell(kFirst) + "/result.json");
  const Outcome outcome = sweep("out");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(fs::last_write_time(cell(kFirst) + "/result.json"), written);
  EXPECT_EQ(outcome.err.find("cell 1/10"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.out.find("Held-out loss by rank"), std::string::npos);
}

TEST_F(SweepCommand, ChangedSweepIsRefusedBeforeAnyTraining) {
  expect_error(
      sweep("out", {"--steps", "4"}),
      kFirst + std::string(": was trained with other settings (steps: 3, now 4); expected another --out, or "
                           "--replace"));
}

TEST_F(SweepCommand, DryRunPrintsTheCellsAndMakesNothing) {
  const Outcome outcome = sweep("planned", {"--dry-run", "--seed", "1"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find(kFirst), std::string::npos);
  EXPECT_NE(outcome.out.find("5 of 5 cells left, time known after the first one"), std::string::npos);
  EXPECT_NE(outcome.out.find("  alpha  "), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("1, the first rank tried (lorry train alone would take 16)"), std::string::npos);
  EXPECT_FALSE(fs::exists(path("planned")));
  const Json json = Json::parse(sweep("out", {"--dry-run", "--json"}).out);
  ASSERT_EQ(json["cells"].size(), 10U);
  EXPECT_EQ(json["cells"][0]["cell"], kFirst);
  EXPECT_EQ(json["cells"][0]["trainable_parameters"], 128);
  EXPECT_EQ(json["cells"][0]["finished"], true);
  EXPECT_EQ(json["seconds_left"], 0.0);
}

TEST_F(SweepCommand, Mistakes) {
  expect_error(run_lorry({"sweep", "--out", path("x")}), "--config: missing; expected --config FILE");
  expect_error(run_lorry({"sweep", "--config", path("no.yaml"), "--out", path("x")}), "no.yaml");
  io::put(path("empty.yaml"), "");
  expect_error(run_lorry({"sweep", "--config", path("empty.yaml"), "--out", path("x")}),
               "--model: missing; expected --model DIR");
  expect_error(sweep("x", {"--data", path("data") + "/train.jsonl"}), "--eval-data: found none");
  expect_error(sweep("model"), "--out " + path("model") + ": is the model");
  expect_error(sweep("data"), "--out " + path("data") + ": holds other things");
  expect_error(sweep("x", {"--target-modules", "wq"}), "\"wq\" matches no linear layer");
  expect_error(sweep("x", {"--grad-accumulation-steps", "2000000", "--dry-run"}),
               "[sweep] row 1 (W_q r=1): [train] --grad-accumulation-steps: found 2000000; expected 1 to");
  const std::string own = "model: " + path("model") + "\ndata: " + path("data") + "\nrows:\n  - ";
  for (const char* row : {"{method: full}\n", "{rank: 1, alpha: 3}\n"}) {
    io::put(path("own.yaml"), own + row);
    expect_error(
        run_lorry({"sweep", "--config", path("own.yaml"), "--out", path("x"), "--alpha-rule", "equal-scale",
                   "--dry-run"}),
        "[sweep] --alpha-rule: has no effect where every row has method full or an alpha of its own");
  }
  EXPECT_EQ(sweep("x", {"--rnak", "1"}).code, 2);
  EXPECT_EQ(sweep("x", {"--rank", "0"}).code, 2);
  EXPECT_EQ(run_lorry({"sweep", "--out", path("x")}).code, 2);
}

}  // namespace
}  // namespace lorry::cli
