// analysis/amplification.hpp: which of W's features does ΔW amplify? Table 7 (sec. 7.3, App. H.4) and Figure
// 8 for every adapted matrix.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>

#include "analysis/decomposition.hpp"
#include "analysis/gaussian_control.hpp"
#include "analysis/update.hpp"

namespace lorry::analysis {

class LinearWeights;
struct LinearWeight;

/// What was multiplied with W, so that a floor for the time can be stated.
struct ProductCount {
  Index passes = 0;   // times that all of W was multiplied
  Index columns = 0;  // vectors that W was multiplied with, over all passes: 2 * O * I * columns flops
};

/// Table 7 and Figure 8 of one matrix. r is the number of directions of ΔW in use.
struct ModuleAmplification {
  UpdateInfo info = {};
  Index directions = 0;                  // r: all that were computed of ΔW's, or fewer where asked
  Coverage coverage = {};                // of ΔW's directions
  double energy = 0.0;                   // share of ‖ΔW‖_F^2 in those r
  double weight_norm = 0.0;              // ‖W‖_F
  double delta_norm = 0.0;               // ‖ΔW‖_F
  double projected_delta = 0.0;          // ‖U^T W V‖_F, U and V from ΔW's top r
  double projected_weight = 0.0;         // the same with W's own top r: sqrt(σ_1^2 + ... + σ_r^2)
  double projected_random = 0.0;         // the same with random orthonormal U and V: mean over seeds
  double projected_random_spread = 0.0;  // standard deviation over those seeds
  double amplification = 0.0;  // delta_norm / projected_delta; 0 with a note where that is undefined
  // Figure 8: φ(i, j) between W's top i directions and ΔW's top j. Empty where W or ΔW is zero.
  Grid phi_left = {};                               // [w, r]: left directions, in O dimensions
  Grid phi_right = {};                              // [w, r]: right directions, in I dimensions
  std::vector<double> weight_singular_values = {};  // [max(w, r)] top ones of W
  bool weight_exact = true;      // W's directions by a full SVD; false: by randomised block Krylov iteration
  double weight_residual = 0.0;  // max over those directions of ‖W^T u_i - σ_i v_i‖ / σ_1; 0 where exact
  ProductCount products = {};
  std::string note = {};  // "ΔW is zero (B = 0)"; else empty
};

struct AmplificationReport {
  std::vector<ModuleAmplification> modules = {};  // in the order of the updates
  ControlTable controls{3, 1};                    // Figure 8's random control: find(O or I, w, r)
  Index weight_bytes = 0;                         // read from the model folder
};

struct AmplificationOptions {
  Index directions = 0;         // r; 0: each module's numerical rank, or the top ones of a large difference
  Index weight_directions = 0;  // w; 0: min(64, min(O, I) / 8), at least 1
  Index random_seeds = 3;       // random directions depend on seed and module's name alone
  std::uint64_t seed = 1;
  DecompositionOptions decomposition = {};  // top: at least `directions`
  Index threads = 0;                        // 0: all
  Index memory = 0;  // bytes for the modules that are measured at once (analysis/memory.hpp); 0: no limit
  std::function<void(Index, Index)> progress = {};  // (modules done, modules in all)
};

/// w of a matrix whose smaller side is `side`.
Index weight_directions(const AmplificationOptions& options, Index side);

/// W of an update. Throws Error where the model lacks it or has another shape.
const LinearWeight& weight_of(const UpdateInfo& info, const UpdateSource& updates,
                              const LinearWeights& weights);

/// Measures every module of `updates` on the model that they belong to (for a difference: its base). W is
/// mapped in its own type and read once per module. Throws Error for a module that the model lacks or has in
/// another shape, and for weights that are NaN or infinite.
AmplificationReport measure_amplification(const UpdateSource& updates, const std::filesystem::path& model,
                                          const AmplificationOptions& options = {});

}  // namespace lorry::analysis
