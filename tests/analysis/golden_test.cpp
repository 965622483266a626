// Every module of adapters that PEFT trained, and of full fine-tunes, against numpy's full SVDs in float64
// (scripts/golden/analysis.py): Llama with rank 12 above sides of 8, bf16 weights, GPT-2's transposed ones.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "analysis/amplification.hpp"
#include "analysis/similarity.hpp"
#include "analysis/spectrum.hpp"
#include "io/safetensors.hpp"
#include "support/golden_folder.hpp"

namespace lorry::analysis {
namespace {

constexpr double kPhi = 1e-6;
constexpr double kSigma = 1e-5;          // relative
constexpr double kAmplification = 1e-4;  // relative

class Golden : public ::testing::TestWithParam<const char*> {
 protected:
  std::filesystem::path folder() const { return golden_folder() / "analysis" / GetParam(); }
  std::filesystem::path base() const { return golden_folder() / "families" / GetParam() / "model"; }

  [[nodiscard]] bool has_tuned() const { return std::filesystem::exists(folder() / "tuned"); }
  /// Every update of the case: four adapters and, where there are such, one with patterns and the full
  /// fine-tune.
  std::vector<std::string> updates() const {
    std::vector<std::string> names = {"r4_s1", "r4_s2", "r12_s1", "r12_s2"};
    if (std::filesystem::exists(folder() / "patterns")) names.emplace_back("patterns");
    for (const char* name : {"patterns", "tuned"}) {
      if (std::filesystem::exists(folder() / name)) names.emplace_back(name);
    }
    return names;
  }
  std::unique_ptr<UpdateSource> open(const std::string& name) const {
    return open_updates(folder() / name, base());
  }

  /// [rows, cols] of numpy; a list has one column.
  Grid want(const std::string& key) {
    const io::TensorView& tensor = reference_.at(key);
    Grid grid(tensor.shape[0], tensor.shape.size() == 2 ? tensor.shape[1] : 1);
    EXPECT_EQ(tensor.dtype, DType::kF64);
    std::memcpy(grid.values.data(), tensor.bytes.data(), tensor.bytes.size());
    return grid;
  }
  double want_number(const std::string& key) { return want(key).at(0, 0); }

  void expect_grid(const Grid& got, const std::string& key) {
    const Grid expected = want(key);
    ASSERT_EQ(got.rows, expected.rows) << key;
    ASSERT_EQ(got.cols, expected.cols) << key;
    for (Index i = 0; i < got.rows; ++i) {
      for (Index j = 0; j < got.cols; ++j) {
        ASSERT_NEAR(got.at(i, j), expected.at(i, j), kPhi) << key << " (" << i << ", " << j << ")";
      }
    }
  }
  void expect_relative(double got, const std::string& key, double tolerance) {
    const double expected = want_number(key);
    EXPECT_NEAR(got, expected, tolerance * std::abs(expected)) << key;
  }

 private:
  io::SafetensorsFile reference_{folder() / "reference.safetensors"};
};

TEST_P(Golden, SimilarityOfEveryModuleIsThatOfFullDecompositions) {
  for (const auto& [x, y] : {std::pair{"r4_s1", "r12_s1"}, {"r12_s1", "r12_s2"}, {"r4_s2", "r4_s1"}}) {
    const SimilarityReport report = measure_similarity(*open(x), *open(y));
    EXPECT_TRUE(report.skipped.empty());
    EXPECT_GE(report.modules.size(), 8U);
    for (const ModuleSimilarity& module : report.modules) {
      const std::string key = std::string(x) + "-" + y + "." + module.module;
      expect_grid(module.a.phi, key + ".phi_a");
      expect_grid(module.b.phi, key + ".phi_b");
      expect_grid(module.row.phi, key + ".phi_row");
      expect_grid(module.column.phi, key + ".phi_column");
      EXPECT_EQ(module.note, "");
      EXPECT_TRUE(module.row.ties_first.empty() && module.row.ties_second.empty());
    }
  }
}

TEST_P(Golden, SpectrumOfEveryModuleIsThatOfFullDecompositions) {
  for (const std::string& name : updates()) {
    const std::unique_ptr<UpdateSource> updates = open(name);
    for (const ModuleSpectrum& module : measure_spectra(*updates)) {
      const std::string key = name + "." + module.info.module;
      const Grid sigma = want(key + ".singular_values");
      ASSERT_EQ(module.rank(), sigma.rows) << key;
      for (Index i = 0; i < sigma.rows; ++i) {
        EXPECT_NEAR(module.singular_values[static_cast<std::size_t>(i)], sigma.at(i, 0),
                    kSigma * sigma.at(i, 0))
            << key;
      }
      expect_relative(module.figures.frobenius_norm, key + ".delta_norm", kSigma);
      expect_relative(module.figures.stable_rank, key + ".stable_rank", kSigma);
      expect_relative(module.figures.effective_rank, key + ".effective_rank", kSigma);
    }
  }
}

TEST_P(Golden, AmplificationOfEveryModuleIsThatOfFullDecompositions) {
  for (const std::string& name : updates()) {
    const std::unique_ptr<UpdateSource> updates = open(name);
    const AmplificationReport report = measure_amplification(*updates, base(), {.weight_directions = 8});
    ASSERT_EQ(report.modules.size(), updates->modules().size());
    for (const ModuleAmplification& module : report.modules) {
      const std::string key = name + "." + module.info.module;
      expect_relative(module.weight_norm, key + ".weight_norm", kAmplification);
      expect_relative(module.delta_norm, key + ".delta_norm", kAmplification);
      expect_relative(module.projected_delta, key + ".projected_delta", kAmplification);
      expect_relative(module.projected_weight, key + ".projected_weight", kAmplification);
      expect_relative(module.amplification, key + ".amplification", kAmplification);
      expect_grid(module.phi_left, key + ".phi_left");
      expect_grid(module.phi_right, key + ".phi_right");
    }
  }
}

TEST_P(Golden, FullFineTuneIsComparedWithAnAdapterByItsRowAndColumnSpace) {
  if (!has_tuned()) return;
  const SimilarityReport report = measure_similarity(*open("r4_s1"), *open("tuned"));
  ASSERT_GE(report.modules.size(), 8U);
  for (const ModuleSimilarity& module : report.modules) {
    EXPECT_TRUE(module.a.phi.empty());
    EXPECT_TRUE(module.b.phi.empty());
    const Grid all = want("tuned." + module.module + ".singular_values");
    EXPECT_EQ(module.row.phi.cols, all.rows);
    // The difference has full rank, so one of its sides spans everything.
    const SubspaceSimilarity& full = all.rows == module.row.dimension ? module.row : module.column;
    EXPECT_NEAR(full.phi.at(0, all.rows - 1), 1.0, kPhi);
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, Golden, ::testing::Values("llama_linear", "llama_bf16", "gpt2"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace lorry::analysis
