// The best adapter of lower rank: its error is what was cut off, and it comes back from disk.
#include "analysis/compress.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "analysis/memory_updates.hpp"
#include "analysis/spectrum.hpp"
#include "io/io_support.hpp"

namespace lorry::analysis {
namespace {

/// Singular values 24, 8, 2 in directions that are no coordinate axes... times the scale.
MemoryUpdates three_directions(double scale) {
  return one_module(product(axes(3, 3, 0, {8, 4, 2}), random_grid(3, 20, 1)), random_grid(16, 3, 2), scale);
}

double norm(const Grid& grid) {
  double sum = 0;
  for (const double value : grid.values) sum += value * value;
  return std::sqrt(sum);
}

/// ‖ΔW - b a‖_F / ‖ΔW‖_F, from whole matrices.
double error_of(const Update& update, const CompressedModule& module) {
  Grid whole = update.info.dense ? update.difference : product(update.b, update.a);
  const Grid low = product(module.b, module.a);
  const double scale = update.info.scale;
  for (double& value : whole.values) value *= scale;
  Grid rest = whole;
  for (std::size_t i = 0; i < rest.values.size(); ++i) rest.values[i] -= low.values[i];
  return norm(rest) / norm(whole);
}

TEST(Compress, ErrorIsWhatTheSpectrumSaysIsCutOff) {
  for (const double scale : {2.0, -0.5}) {
    const MemoryUpdates updates = three_directions(scale);
    const std::vector<double> sigma = measure_spectra(updates).at(0).singular_values;
    ASSERT_EQ(sigma.size(), 3U);
    const CompressedModule module = compress(updates, {.rank = 2}).at(0);
    EXPECT_EQ(module.rank, 2);
    const double want = sigma[2] / std::sqrt(sigma[0] * sigma[0] + sigma[1] * sigma[1] + sigma[2] * sigma[2]);
    EXPECT_NEAR(module.relative_error, want, 1e-12);
    EXPECT_NEAR(error_of(updates.read(0), module), want, 1e-12);
    EXPECT_NEAR(module.energy, 1 - want * want, 1e-12);
    EXPECT_NEAR(norm(module.a), norm(module.b), 1e-9);  // balanced
  }
}

TEST(Compress, RankAtOrAboveTheUpdatesKeepsAllOfIt) {
  const MemoryUpdates updates = three_directions(1.0);
  const CompressedModule module = compress(updates, {.rank = 7}).at(0);
  EXPECT_EQ(module.rank, 3);
  EXPECT_EQ(module.relative_error, 0.0);
  EXPECT_LT(error_of(updates.read(0), module), 1e-13);
}

TEST(Compress, EnergyKeepsTheFewestDirectionsThatHoldIt) {
  MemoryUpdates updates;
  updates.add("flat", axes(3, 9, 0, {1, 1, 1}), turned(axes(3, 8, 0, {1, 1, 1})));
  updates.add("steep", axes(3, 9, 0, {9, 1, 1}), turned(axes(3, 8, 0, {1, 1, 1})));
  const std::vector<CompressedModule> modules = compress(updates, {.energy_share = 0.9});
  EXPECT_EQ(modules.at(0).rank, 3);
  EXPECT_EQ(modules.at(1).rank, 1);
  EXPECT_NEAR(modules.at(1).energy, 81.0 / 83, 1e-12);
}

TEST(Compress, FullFineTuneBecomesFactors) {
  const Grid whole = product(random_grid(16, 3, 2), random_grid(3, 20, 1));
  const MemoryUpdates updates = one_difference(whole);
  const CompressedModule module = compress(updates, {.rank = 3}).at(0);
  EXPECT_LT(error_of(updates.read(0), module), 1e-13);
}

TEST(Compress, ZeroUpdateKeepsOneZeroDirection) {
  const CompressedModule module = compress(one_module(random_grid(2, 9, 1), Grid(8, 2)), {.rank = 2}).at(0);
  EXPECT_EQ(module.rank, 1);
  EXPECT_EQ(norm(module.b), 0.0);
  EXPECT_EQ(module.relative_error, 0.0);
  EXPECT_EQ(module.note, "ΔW is zero (B = 0)");
}

TEST(Compress, FactorsThatFloat32DoesNotHoldAreRefused) {
  for (const double scale : {1e90, 1e-90}) {
    const std::string text = io::error_of([&] { compress(three_directions(scale), {.rank = 2}); });
    EXPECT_NE(text.find(": module \"m\": its factors reach "), std::string::npos) << text;
    EXPECT_NE(text.find(" in size; expected what float32 holds"), std::string::npos) << text;
  }
}

TEST(Compress, SavedAdapterComesBackWithTheSameSpectrum) {
  MemoryUpdates updates;
  updates.add("layers.0.q_proj", random_grid(4, 20, 1), random_grid(16, 4, 2), 3.0);
  updates.add("layers.1.q_proj", axes(4, 20, 0, {9, 1, 1, 1}), turned(axes(4, 16, 0, {1, 1, 1, 1})));
  const std::vector<CompressedModule> modules = compress(updates, {.energy_share = 0.9});
  ASSERT_NE(modules[0].rank, modules[1].rank);  // so that the config needs a pattern
  const io::ScratchFolder scratch;
  save_compressed(scratch / "low", modules, "base", false);
  const std::vector<ModuleSpectrum> before = measure_spectra(updates);
  const std::vector<ModuleSpectrum> after = measure_spectra(*open_updates(scratch / "low"));
  ASSERT_EQ(after.size(), 2U);
  for (std::size_t m = 0; m < 2; ++m) {
    EXPECT_EQ(after[m].info.module, before[m].info.module);
    ASSERT_EQ(after[m].rank(), modules[m].rank);
    for (std::size_t i = 0; i < after[m].singular_values.size(); ++i) {
      EXPECT_NEAR(after[m].singular_values[i], before[m].singular_values[i],
                  1e-6 * before[m].singular_values[0]);
    }
  }
}

TEST(Compress, AsksForOneOfRankAndEnergy) {
  const MemoryUpdates updates = three_directions(1.0);
  EXPECT_EQ(io::error_of([&] { compress(updates, {}); }),
            "[compress] found rank 0 and energy 0; expected one of both");
  EXPECT_EQ(io::error_of([&] { compress(updates, {.rank = 1, .energy_share = 0.5}); }),
            "[compress] found rank 1 and energy 0.5; expected one of both");
  EXPECT_EQ(io::error_of([&] { compress(updates, {.rank = -1}); }),
            "[compress] rank: found -1; expected at least 1");
  EXPECT_EQ(io::error_of([&] { compress(updates, {.energy_share = 1.5}); }),
            "[compress] energy: found 1.5; expected above 0, at most 1");
}

}  // namespace
}  // namespace lorry::analysis
