// Adapters with factors written by hand, for analyses whose answer is known.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "core/index.hpp"

namespace lorry::cli {

/// One module of an adapter; ΔW = b a, as alpha is the rank.
struct SmallFactors {
  std::string module;
  std::vector<std::vector<float>> a;  // [R][I]
  std::vector<std::vector<float>> b;  // [O][R]
};

/// Row `at` of the identity of width `width`, times `scale`.
std::vector<float> unit_row(Index width, Index at, float scale = 1.0F);

/// [O][R]: column k is unit vector at[k], times scale[k].
std::vector<std::vector<float>> unit_columns(Index height, const std::vector<Index>& at,
                                             const std::vector<float>& scale);

/// ΔW [32, inputs] with singular values `largest`, a half of it, a quarter, ..., `rank` of them, from inputs
/// `in` to outputs `out` and those that follow.
SmallFactors halving_update(const std::string& module, Index inputs, Index rank, Index in, Index out,
                            float largest);

/// A PEFT adapter folder of these modules, all of one rank.
void write_small_adapter(const std::filesystem::path& folder, const std::vector<SmallFactors>& modules);

}  // namespace lorry::cli
