// analysis/similarity.hpp: do two updates use the same directions? The Grassmann measure of sec. 7.2 and App.
// G,
//     φ(i, j) = ‖U_1^{iT} U_2^j‖_F^2 / min(i, j),
// for the directions of A, of B, and of the row and column space of ΔW.
#pragma once
#include <functional>

#include "analysis/decomposition.hpp"
#include "analysis/gaussian_control.hpp"
#include "analysis/update.hpp"

namespace lorry::analysis {

/// φ(i, j) of one space for all i <= p_1 and j <= p_2, the numerical ranks.
struct SubspaceSimilarity {
  Index dimension = 0;  // of the space that both sets of directions live in: I or O
  Grid phi = {};  // [p_1, p_2]; empty where a side has no directions, or no factors (A and B of a difference)
  std::vector<Index> ties_first = {};  // i (from 1) where the first side's leading subspace is not determined
  std::vector<Index> ties_second = {};  // j likewise; those rows and columns of phi are to be left out

  /// Whether φ(i, j), counted from 1, means anything.
  [[nodiscard]] bool determined(Index i, Index j) const;
  /// Projection metric on the Grassmann manifold, d = sqrt(p (1 - φ)) with p = min(i, j); counted from 1.
  [[nodiscard]] double distance(Index i, Index j) const;
  /// φ(1, 1): do the top directions agree? 0 if phi is empty.
  [[nodiscard]] double top() const;
  /// φ(p, p) at p = min(p_1, p_2), where both leading subspaces have the same size. 0 if phi is empty.
  [[nodiscard]] double whole() const;
};

/// One module of both sides.
struct ModuleSimilarity {
  std::string module = {};
  Coverage first = {};  // directions: the numerical rank of ΔW where complete
  Coverage second = {};
  SubspaceSimilarity a = {};       // right-singular vectors of A; dimension I
  SubspaceSimilarity b = {};       // left-singular vectors of B; dimension O
  SubspaceSimilarity row = {};     // right-singular vectors of ΔW; dimension I
  SubspaceSimilarity column = {};  // left-singular vectors of ΔW; dimension O
  std::string note = {};  // a word where something is missing ("B = 0 in the first: ΔW is zero"); else empty
};

struct SkippedModule {
  std::string module = {};
  std::string reason = {};  // "only in the first", "outputs 64 against 32"
};

/// A module of both sources by its position in each.
struct ModulePair {
  Index first = 0;
  Index second = 0;
};

/// Modules that both have in the same shape, in the order of the first; fills `skipped` with the others and
/// why.
std::vector<ModulePair> common_modules(const UpdateSource& first, const UpdateSource& second,
                                       std::vector<SkippedModule>& skipped);

struct SimilarityReport {
  std::vector<ModuleSimilarity> modules = {};  // in the order of the first source
  std::vector<SkippedModule> skipped = {};
  ControlTable controls{5, 1};

  /// The random control of `space`'s shape; nullptr if controls were not asked for or the grid is empty.
  [[nodiscard]] const GaussianControl* control(const SubspaceSimilarity& space) const {
    return controls.find(space.dimension, space.phi.rows, space.phi.cols);
  }
};

struct SimilarityOptions {
  bool controls = true;
  Index control_seeds = 5;
  std::uint64_t seed = 1;
  DecompositionOptions decomposition = {};
  Index threads = 0;  // 0: all
  Index memory = 0;   // bytes for the modules that are compared at once (analysis/memory.hpp); 0: no limit
  std::function<void(Index, Index)> progress =
      {};  // (modules done, modules in all), from one thread at a time
};

/// Every module that both have in the same shape. Throws Error ("adapters of different models") where there
/// is none.
SimilarityReport measure_similarity(const UpdateSource& first, const UpdateSource& second,
                                    const SimilarityOptions& options = {});

}  // namespace lorry::analysis
