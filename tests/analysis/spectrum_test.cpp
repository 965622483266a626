// Spectra whose figures can be worked out by hand.
#include "analysis/spectrum.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "analysis/memory_updates.hpp"

namespace lorry::analysis {
namespace {

TEST(Spectrum, FiguresOfAKnownListAreThoseOfTheirDefinitions) {
  const SpectrumFigures figures = spectrum_figures({4, 2, 2}, 0.9);
  EXPECT_DOUBLE_EQ(figures.frobenius_norm, std::sqrt(24.0));
  EXPECT_DOUBLE_EQ(figures.stable_rank, 24.0 / 16);
  EXPECT_DOUBLE_EQ(figures.top_share, 16.0 / 24);
  // p = 1/2, 1/4, 1/4: the entropy is 1.5 ln 2.
  EXPECT_DOUBLE_EQ(figures.effective_rank, std::exp(1.5 * std::log(2.0)));
  ASSERT_EQ(figures.energy.size(), 3U);
  EXPECT_DOUBLE_EQ(figures.energy[1], 20.0 / 24);
  EXPECT_EQ(figures.sufficient_rank, 3);
  EXPECT_EQ(spectrum_figures({4, 2, 2}, 0.83).sufficient_rank, 2);
  EXPECT_EQ(spectrum_figures({4, 2, 2}, 1.0).sufficient_rank, 3);
  EXPECT_EQ(spectrum_figures({4, 2, 2}, 0.5).sufficient_rank, 1);
}

TEST(Spectrum, EqualValuesHaveTheirNumberAsEveryRank) {
  const SpectrumFigures figures = spectrum_figures({3, 3, 3, 3}, 0.75);
  EXPECT_DOUBLE_EQ(figures.stable_rank, 4);
  EXPECT_NEAR(figures.effective_rank, 4, 1e-12);
  EXPECT_EQ(figures.sufficient_rank, 3);
}

TEST(Spectrum, DirectionsLeftOutCountInTheNorm) {
  const SpectrumFigures figures = spectrum_figures({4, 2}, 0.9, 5.0);
  EXPECT_DOUBLE_EQ(figures.frobenius_norm, 5.0);
  EXPECT_DOUBLE_EQ(figures.stable_rank, 25.0 / 16);
  EXPECT_DOUBLE_EQ(figures.energy[1], 20.0 / 25);
  EXPECT_DOUBLE_EQ(figures.top_share, 16.0 / 25);
  // The list holds 80 %: no rank of it is enough for more, and 2 are for that.
  EXPECT_FALSE(figures.sufficient_rank.has_value());
  EXPECT_EQ(spectrum_figures({4, 2}, 0.8, 5.0).sufficient_rank, 2);
}

TEST(Spectrum, TinyUpdatesDoNotUnderflow) {
  const SpectrumFigures figures = spectrum_figures({4e-200, 2e-200, 2e-200}, 0.9);
  EXPECT_DOUBLE_EQ(figures.stable_rank, 1.5);
  EXPECT_DOUBLE_EQ(figures.frobenius_norm, 1e-200 * std::sqrt(24.0));
}

TEST(Spectrum, ScaleOfEitherSignMultipliesTheSingularValues) {
  const Grid a = axes(2, 12, 3, {2, 1});
  const Grid b = turned(axes(2, 9, 1, {3, 5}));
  const std::vector<ModuleSpectrum> spectra = measure_spectra(one_module(a, b, -0.5));
  ASSERT_EQ(spectra.at(0).rank(), 2);
  EXPECT_NEAR(spectra[0].singular_values[0], 3.0, 1e-12);
  EXPECT_NEAR(spectra[0].singular_values[1], 2.5, 1e-12);
  EXPECT_EQ(spectra[0].note, "");
}

TEST(Spectrum, ZeroUpdateHasFiguresOfZeroAndAWord) {
  MemoryUpdates updates = one_module(random_grid(2, 12, 1), Grid(9, 2));
  updates.add_dense("unchanged", Grid(9, 12));
  const std::vector<ModuleSpectrum> spectra = measure_spectra(updates);
  EXPECT_EQ(spectra.at(0).note, "ΔW is zero (B = 0)");
  EXPECT_EQ(spectra.at(1).note, "ΔW is zero (the weight is unchanged)");
  for (const ModuleSpectrum& spectrum : spectra) {
    EXPECT_EQ(spectrum.rank(), 0);
    EXPECT_EQ(spectrum.figures.frobenius_norm, 0.0);
    EXPECT_EQ(spectrum.figures.stable_rank, 0.0);
    EXPECT_EQ(spectrum.figures.effective_rank, 0.0);
    EXPECT_EQ(spectrum.figures.sufficient_rank, 0);
  }
}

}  // namespace
}  // namespace lorry::analysis
