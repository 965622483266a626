// What `lorry analyze compress` writes is an adapter like any other: modules of different rank, evaluated,
// compared.
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/program.hpp"
#include "cli/small_adapters.hpp"
#include "io/io_support.hpp"

namespace lorry::cli {
namespace {

using Json = nlohmann::json;
using Arguments = std::vector<std::string>;

constexpr const char* kQuery = "model.layers.0.self_attn.q_proj";  // [32,32] of the tiny model
constexpr const char* kDown = "model.layers.1.mlp.down_proj";      // [32,64]

/// ΔW of rank 3 with these singular values, from inputs 4, 5, 6 to outputs 1, 2, 3.
SmallFactors update(const std::string& module, Index inputs, const std::vector<float>& sigma) {
  SmallFactors factors{.module = module, .a = {}, .b = unit_columns(32, {1, 2, 3}, {1.0F, 1.0F, 1.0F})};
  for (Index k = 0; k < 3; ++k)
    factors.a.push_back(unit_row(inputs, 4 + k, sigma[static_cast<std::size_t>(k)]));
  return factors;
}

/// "uneven": the top direction of the first module holds 95 % of it, in the second all three count; "tuned"
/// is the model with it merged in.
class AnalyzeCompress : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch_ = std::make_unique<io::ScratchFolder>();
    make_tiny_model(path("parts"), path("model"));
    write_small_adapter(path("uneven"),
                        {update(kQuery, 32, {2.0F, 0.4F, 0.2F}), update(kDown, 64, {2.0F, 1.9F, 1.8F})});
    io::put(path("data.jsonl"), counting_records(5));
    const Outcome merged =
        run_lorry({"merge", "--model", path("model"), "--adapter", path("uneven"), "--out", path("tuned")});
    ASSERT_EQ(merged.code, 0) << merged.err;
  }
  static void TearDownTestSuite() { scratch_.reset(); }

  static std::string path(std::string_view name) { return *scratch_ / name; }

  static Json report(Arguments arguments) {
    arguments.insert(arguments.end(), {"--json", "--threads", "1"});
    const Outcome outcome = run_lorry(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return Json::parse(outcome.out, nullptr, false);
  }
  static double loss(const std::string& model, const std::string& adapter = {}) {
    Arguments arguments = {"eval", "--model", path(model), "--data", path("data.jsonl"), "--dtype", "f32"};
    if (!adapter.empty()) arguments.insert(arguments.end(), {"--adapter", path(adapter)});
    return report(arguments).at("loss");
  }

  static std::unique_ptr<io::ScratchFolder> scratch_;
};

std::unique_ptr<io::ScratchFolder> AnalyzeCompress::scratch_;

TEST_F(AnalyzeCompress, RanksThatDifferAreAPatternOfThePeftConfig) {
  const Json json = report({"analyze", "compress", path("uneven"), "--energy", "0.9", "--out", path("less")});
  EXPECT_EQ(json.at("modules").at(0).at("rank"), 1);
  EXPECT_EQ(json.at("modules").at(1).at("rank"), 3);
  EXPECT_NEAR(json.at("modules").at(0).at("energy").get<double>(), 4.0 / 4.2, 1e-6);
  EXPECT_NEAR(json.at("modules").at(1).at("relative_error").get<double>(), 0, 1e-6);
  const Json config = Json::parse(io::get(path("less") + "/adapter_config.json"));
  // PEFT matches a key against the end of a module's name.
  EXPECT_EQ(config.at("rank_pattern"), Json({{"down_proj", 3}}));
  EXPECT_EQ(config.at("r"), 1);
}

TEST_F(AnalyzeCompress, EvalShowsWhatItCost) {
  report({"analyze", "compress", path("uneven"), "--rank", "3", "--out", path("all")});
  report({"analyze", "compress", path("uneven"), "--energy", "0.9", "--out", path("most")});
  const double before = loss("model", "uneven");
  EXPECT_NEAR(loss("model", "all"), before, 1e-5);
  EXPECT_GT(std::abs(loss("model", "most") - before), 1e-4);
}

TEST_F(AnalyzeCompress, AnAdapterOfAFullFineTuneEvaluatesAsTheFineTune) {
  const Json json = report({"analyze", "compress", path("tuned"), "--model", path("model"), "--rank", "3",
                            "--out", path("extracted")});
  // Modules that training left as they were keep one direction of zeros.
  EXPECT_EQ(json.at("modules").size(), 2U * 7 + 1);
  EXPECT_LT(json.at("relative_error").get<double>(), 1e-5);
  EXPECT_NE(json.dump().find("ΔW is zero (the weight is unchanged)"), std::string::npos);
  // Merging rounds W to F32.
  EXPECT_NEAR(loss("model", "extracted"), loss("tuned"), 1e-5);
  EXPECT_GT(std::abs(loss("model") - loss("tuned")), 1e-3) << "the update matters";
}

TEST_F(AnalyzeCompress, CheckpointsOfOneRunAreToldApartByTheirFolders) {
  for (const char* run : {"run", "other"}) {
    write_small_adapter(path(run) + "/checkpoint-10", {update(kQuery, 32, {2.0F, 0.4F, 0.2F})});
    write_small_adapter(path(run) + "/checkpoint-20", {update(kQuery, 32, {0.2F, 0.4F, 2.0F})});
  }
  const Arguments pair = {"analyze", "similarity", path("run") + "/checkpoint-10/",
                          path("run") + "/checkpoint-20"};
  // The strongest direction of one is the weakest of the other; as a whole they span the same.
  const Json phi = report(pair).at("modules").at(0).at("phi_row");
  EXPECT_NEAR(phi.at(0).at(0).get<double>(), 0, 1e-12);
  EXPECT_NEAR(phi.at(0).at(2).get<double>(), 1, 1e-12);
  EXPECT_NEAR(phi.at(2).at(2).get<double>(), 1, 1e-12);
  EXPECT_EQ(run_lorry(pair).out.substr(0, 14), "checkpoint-10 ");
  const std::string twice =
      run_lorry({"analyze", "spectrum", path("run") + "/checkpoint-10", path("other") + "/checkpoint-10"})
          .out;
  EXPECT_NE(twice.find(path("other") + "/checkpoint-10 (LoRA"), std::string::npos) << twice;
}

}  // namespace
}  // namespace lorry::cli
