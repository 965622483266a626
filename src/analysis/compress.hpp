// analysis/compress.hpp: the best adapter of lower rank (Eckart & Young 1936), from an adapter or from a full
// fine-tune.
#pragma once
#include <filesystem>
#include <functional>

#include "analysis/decomposition.hpp"
#include "analysis/update.hpp"

namespace lorry::analysis {

/// ΔW ≈ b a with b = U sqrt(σ), a = sqrt(σ) V^T of the top directions.
struct CompressedModule {
  UpdateInfo info = {};  // of the update before
  Index rank = 0;  // kept directions, at least 1: PEFT knows no rank 0, so a zero ΔW keeps one zero direction
  Grid a = {};     // [rank, I]
  Grid b = {};     // [O, rank]
  double delta_norm = 0.0;      // ‖ΔW‖_F
  double relative_error = 0.0;  // ‖ΔW - b a‖_F / ‖ΔW‖_F; 0 for a zero ΔW
  double energy = 1.0;          // 1 - relative_error^2, of all of ΔW
  Coverage coverage = {};       // the directions to choose from
  std::string note = {};        // "ΔW is zero (B = 0)"; else empty
};

struct CompressOptions {
  Index rank = 0;             // K: keep at most K directions of each module; or
  double energy_share = 0.0;  // E in (0, 1]: keep as many as hold this share of ‖ΔW‖_F^2. One of both is set
  DecompositionOptions decomposition = {};  // top: at least `rank`
  Index threads = 0;                        // 0: all
  Index memory = 0;  // bytes for the modules that are compressed at once (analysis/memory.hpp); 0: no limit
  std::function<void(Index, Index)> progress = {};  // (modules done, modules in all)
};

/// Every module, in the order of the source. Throws Error unless exactly one of rank and energy_share is set
/// and in range, or where a large difference needs more directions for its energy than are computed.
std::vector<CompressedModule> compress(const UpdateSource& updates, const CompressOptions& options);

/// Writes a PEFT adapter folder (F32, scale 1, `rank_pattern` and `alpha_pattern` where ranks differ),
/// complete or not at all; `out` must not exist or be empty. base_model goes to `base_model_name_or_path`;
/// conv1d to `fan_in_fan_out`. `adapter`: the folder whose tokenizer and chat template go along; may be
/// empty.
void save_compressed(const std::filesystem::path& out, const std::vector<CompressedModule>& modules,
                     const std::string& base_model, bool conv1d, const std::filesystem::path& adapter = {});

}  // namespace lorry::analysis
