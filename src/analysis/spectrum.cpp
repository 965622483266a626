#include "analysis/spectrum.hpp"

#include <cmath>

#include "analysis/memory.hpp"
#include "analysis/parallel.hpp"
#include "analysis/spaces.hpp"

namespace lorry::analysis {

SpectrumFigures spectrum_figures(const std::vector<double>& singular_values, double energy_share,
                                 double frobenius_norm) {
  LORRY_CHECK(energy_share > 0.0 && energy_share <= 1.0);
  SpectrumFigures figures;
  if (singular_values.empty() || singular_values.front() == 0.0) return figures;
  // Relative to σ_1, so that squares of tiny updates do not underflow.
  const double largest = singular_values.front();
  double sum = 0;
  double squares = 0;
  for (const double sigma : singular_values) {
    sum += sigma / largest;
    squares += (sigma / largest) * (sigma / largest);
  }
  const double all_squares = frobenius_norm > 0
                                 ? std::max(squares, (frobenius_norm / largest) * (frobenius_norm / largest))
                                 : squares;
  double entropy = 0;
  double held = 0;
  for (const double sigma : singular_values) {
    const double p = sigma / largest / sum;
    if (p > 0) entropy -= p * std::log(p);
    held += (sigma / largest) * (sigma / largest) / all_squares;
    figures.energy.push_back(std::min(1.0, held));
  }
  figures.frobenius_norm = largest * std::sqrt(all_squares);
  figures.stable_rank = all_squares;
  figures.effective_rank = std::exp(entropy);
  figures.top_share = 1.0 / all_squares;
  // A share of 1 must be reachable where the sum rounds to just below it.
  constexpr double kRounding = 1e-12;
  figures.sufficient_rank.reset();
  for (std::size_t k = 0; k < figures.energy.size(); ++k) {
    if (figures.energy[k] < energy_share - kRounding) continue;
    figures.sufficient_rank = static_cast<Index>(k) + 1;
    break;
  }
  return figures;
}

std::vector<ModuleSpectrum> measure_spectra(const UpdateSource& updates, const SpectrumOptions& options) {
  std::vector<ModuleSpectrum> spectra(updates.modules().size());
  MemoryShares memory;
  if (options.memory > 0) memory = {spectrum_memory(updates, options).modules, options.memory};
  for_each_parallel(
      static_cast<Index>(spectra.size()), options.threads, options.progress,
      [&](Index i, Index) {
        const Spaces spaces = spaces_of(updates.read(i), Parts::kValues, options.decomposition);
        ModuleSpectrum& spectrum = spectra[static_cast<std::size_t>(i)];
        spectrum.info = updates.modules()[static_cast<std::size_t>(i)];
        spectrum.singular_values = to_list(spaces.row.sigma);
        spectrum.figures =
            spectrum_figures(spectrum.singular_values, options.energy_share, spaces.frobenius_norm);
        // What is left of a complete one is rounding noise, which no rank need hold.
        if (spaces.complete && !spectrum.figures.sufficient_rank) {
          spectrum.figures.sufficient_rank = spaces.rank();
        }
        spectrum.coverage = spaces.coverage();
        spectrum.note = spaces.note;
      },
      memory);
  return spectra;
}

}  // namespace lorry::analysis
