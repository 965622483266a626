// analysis/spectrum.hpp: how many directions an update really uses.
#pragma once
#include <functional>
#include <optional>

#include "analysis/decomposition.hpp"
#include "analysis/update.hpp"

namespace lorry::analysis {

/// Figures of a list of singular values. All zero for a zero update, never NaN.
struct SpectrumFigures {
  double frobenius_norm = 0.0;  // ‖ΔW‖_F
  double stable_rank = 0.0;     // ‖ΔW‖_F^2 / σ_1^2
  double effective_rank = 0.0;  // exp(-Σ p_i ln p_i), p_i = σ_i / Σσ (Roy & Vetterli 2007)
  double top_share = 0.0;       // σ_1^2 / ‖ΔW‖_F^2
  /// The smallest k whose top k directions hold the asked share of ‖ΔW‖_F^2; empty: more than the list has.
  std::optional<Index> sufficient_rank = 0;
  std::vector<double> energy = {};  // [p]: share of ‖ΔW‖_F^2 in the top 1, 2, ... p directions
};

/// From descending singular values. `frobenius_norm` counts directions that the list leaves out; 0: none, it
/// is computed. Of a list that leaves some out, effective_rank is a lower bound: further directions, none
/// larger than these, only raise the entropy. energy_share in (0, 1].
SpectrumFigures spectrum_figures(const std::vector<double>& singular_values, double energy_share,
                                 double frobenius_norm = 0.0);

struct ModuleSpectrum {
  UpdateInfo info = {};
  std::vector<double> singular_values = {};  // up to the numerical rank
  SpectrumFigures figures = {};
  Coverage coverage = {};  // not complete: the figures that are lower bounds are named above
  std::string note = {};   // "ΔW is zero (B = 0)"; else empty

  [[nodiscard]] Index rank() const noexcept { return static_cast<Index>(singular_values.size()); }
};

struct SpectrumOptions {
  double energy_share = 0.9;
  DecompositionOptions decomposition = {};
  Index threads = 0;  // 0: all
  Index memory = 0;   // bytes for the modules that are measured at once (analysis/memory.hpp); 0: no limit
  std::function<void(Index, Index)> progress = {};  // (modules done, modules in all)
};

/// Every module, in the order of the source.
std::vector<ModuleSpectrum> measure_spectra(const UpdateSource& updates, const SpectrumOptions& options = {});

}  // namespace lorry::analysis
