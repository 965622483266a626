// Legend: O outputs, I inputs, R rank; of a matrix m the longer side, n the shorter one, k directions of it.
#include "analysis/memory.hpp"

#include <set>
#include <utility>

#include "analysis/linear_weights.hpp"
#include "analysis/top_directions.hpp"

namespace lorry::analysis {

namespace {

constexpr Index kF64 = 8;
constexpr Index kF32 = 4;
constexpr Index kText = 2048;  // names, notes and the records around the numbers of a module
/// Vectors that are multiplied, orthogonalised and kept at once beside the sums below: blocks, panels, tables
/// of a few numbers per row.
constexpr Index kSmall = Index{1} << 20;

struct Sides {
  Index m;
  Index n;
};
Sides sides_of(Index rows, Index cols) {
  return {std::max(rows, cols), std::min(rows, cols)};
}

/// small_svd's svd() of [rows, cols], beside its argument and with its result: turned, its QR and Q, the
/// factors of the core by Eigen's divide and conquer (16 of its size measured at most), and the left side.
Index svd_bytes(Index rows, Index cols) {
  const auto [m, n] = sides_of(rows, cols);
  constexpr Index kCore = 16;
  const Index tall = m > n ? 2 + (rows < cols ? 1 : 0) : 0;
  return kF64 * (tall * m * n + kCore * n * n);
}

/// BlockKrylov with a basis of all that there can be: basis and images, what is projected and its tridiagonal
/// form, a block of vectors in both types, and the best k directions on their way to float64.
Index krylov_bytes(Index m, Index n, Index k) {
  constexpr Index kBlockBytes = 512;  // of 16 vectors: 4 in float64 or as much
  return kF32 * (n * n + m * n + 2 * n * n) + kBlockBytes * (m + n) + kF64 * k * (5 * n + 7 * m);
}

/// top_directions of a WeightMatrix, beside its stored elements: the transposed copy, of `element` bytes
/// each, or W in float64; and the directions.
Index top_bytes(Index rows, Index cols, Index k, Index element) {
  const auto [m, n] = sides_of(rows, cols);
  const Index found = 2 * kF64 * k * (m + n);
  if (decomposed_whole(n, k)) return kF64 * m * n + std::max(kF32 * m * n, svd_bytes(rows, cols)) + found;
  return element * m * n + krylov_bytes(m, n, k) + found;
}

/// Directions of a ΔW that are found at most.
Index most_directions(const UpdateInfo& info, Index full_side, Index top) {
  const Index n = std::min(info.outputs, info.inputs);
  if (!info.dense) return std::min(n, info.rank);
  return n <= full_side ? n : std::min(n, top);
}

/// spaces_of, and what is left of it.
struct SpacesBytes {
  Index working = 0;  // with the numbers that were read
  Index kept = 0;
};
SpacesBytes spaces_bytes(const UpdateInfo& info, Index reading, const DecompositionOptions& options) {
  const Index outputs = info.outputs;
  const Index inputs = info.inputs;
  const Index rank = info.rank;
  const Index found = most_directions(info, options.full_side, options.top);
  const Index small = 24 * kF64 * rank * rank;  // triangles, the core and its decompositions
  if (!info.dense) {
    // The factors, both bases, and one of them once more where it is orthogonalised.
    const Index kept = kF64 * rank * (outputs + inputs) + small;
    return {.working = reading + kept + kF64 * rank * std::max(outputs, inputs), .kept = kept};
  }
  const Index kept = kF64 * found * (outputs + inputs + 3 * found);
  if (std::min(outputs, inputs) <= options.full_side) {
    return {.working = reading + kF64 * outputs * inputs + svd_bytes(outputs, inputs) + kept, .kept = kept};
  }
  // First both float64 and float32, then float32 alone.
  const Index rounded = kF32 * outputs * inputs;
  const Index top = top_bytes(outputs, inputs, options.top + 1, kF32);
  return {.working = std::max(reading + rounded, rounded + top + kept), .kept = kept};
}

SpacesBytes spaces_bytes(const UpdateSource& updates, Index i, const DecompositionOptions& options) {
  return spaces_bytes(updates.modules()[static_cast<std::size_t>(i)], updates.reading_bytes(i), options);
}

/// With at least so many directions of a large difference.
DecompositionOptions at_least(DecompositionOptions options, Index top) {
  options.top = std::max(options.top, top);
  return options;
}

Index grid_bytes(Index rows, Index cols) {
  return kF64 * rows * cols;
}

/// Collects the needs of all modules of an analysis.
class Needs {
 public:
  explicit Needs(Index seeds) : seeds_(seeds) {}

  void add_module(Index working) { need_.modules.push_back(working + kSmall); }
  /// φ between p and q directions in a space of so many dimensions, and its control.
  void add_grid(Index dimension, Index p, Index q) {
    if (p == 0 || q == 0) return;
    need_.results += grid_bytes(p, q);
    need_.numbers += p * q;
    if (seeds_ == 0) return;
    const ControlTable::Shape shape = {dimension, p, q};
    if (!shapes_.insert(shape).second) return;
    constexpr Index kGrids = 3;
    need_.results += kGrids * grid_bytes(p, q);
    need_.numbers += kGrids * p * q;
    need_.controls = std::max(need_.controls, control_memory(shape, seeds_));
  }
  void add_numbers(Index count) {
    add_factors(count);
    need_.numbers += count;
  }
  /// Which are not printed.
  void add_factors(Index count) { need_.results += kF64 * count + kText; }
  [[nodiscard]] MemoryNeed take() { return std::move(need_); }

 private:
  Index seeds_;  // 0: no controls
  std::set<ControlTable::Shape> shapes_;
  MemoryNeed need_;
};

/// W loaded, its directions, and its products with ΔW's and with random ones.
Index weight_working(const LinearWeight& weight, const AmplificationOptions& options, Index r, Index w) {
  const Index outputs = weight.outputs();
  const Index inputs = weight.inputs();
  const bool as_it_is = weight.stored.is(DType::kF32) || weight.stored.is(DType::kBF16);
  const Index element = as_it_is ? size_of(weight.stored.dense.dtype) : kF32;
  const Index loaded = weight.stored.bytes() + (as_it_is ? 0 : kF32 * outputs * inputs);
  const Index k = std::max(w, r);
  const Index found = top_bytes(outputs, inputs, k, element);
  // Frames in float64 on both sides, stacked in float32; images in float32, twice, and in float64; the draws
  // of one.
  const Index frames = (1 + options.random_seeds) * r;
  const Index projected = element * outputs * inputs + 2 * kF64 * k * (outputs + inputs) +
                          (outputs + inputs) * (kF64 * (2 * r + frames) + (3 * kF32 + kF64) * frames) +
                          3 * kF64 * r * std::max(outputs, inputs);
  return loaded + std::max(found, projected);
}

}  // namespace

Index control_memory(const ControlTable::Shape& shape, Index seeds) {
  const auto [dimension, p, q] = shape;
  // Draws, their QR and Q; every seed's grid and the three that are kept.
  return kF64 * (3 * dimension * std::min(p, q) + (seeds + 8) * p * q) + kSmall;
}

MemoryNeed spectrum_memory(const UpdateSource& updates, const SpectrumOptions& options) {
  Needs needs(0);
  for (Index i = 0; i < std::ssize(updates.modules()); ++i) {
    const UpdateInfo& info = updates.modules()[static_cast<std::size_t>(i)];
    needs.add_module(spaces_bytes(updates, i, options.decomposition).working);
    // Singular values, and the energy up to each.
    needs.add_numbers(2 * most_directions(info, options.decomposition.full_side, options.decomposition.top));
  }
  return needs.take();
}

MemoryNeed similarity_memory(const UpdateSource& first, const UpdateSource& second,
                             const SimilarityOptions& options) {
  Needs needs(options.controls ? options.control_seeds : 0);
  std::vector<SkippedModule> skipped;
  for (const ModulePair& pair : common_modules(first, second, skipped)) {
    const UpdateInfo& info = first.modules()[static_cast<std::size_t>(pair.first)];
    const UpdateInfo& other = second.modules()[static_cast<std::size_t>(pair.second)];
    const SpacesBytes x = spaces_bytes(first, pair.first, options.decomposition);
    const SpacesBytes y = spaces_bytes(second, pair.second, options.decomposition);
    const Index full_side = options.decomposition.full_side;
    const Index p = most_directions(info, full_side, options.decomposition.top);
    const Index q = most_directions(other, full_side, options.decomposition.top);
    // One basis is formed from its reflections to be compared, and once more as they are applied.
    const Index smaller = std::min(info.dense ? p : info.rank, other.dense ? q : other.rank);
    const Index larger = std::max(info.dense ? p : info.rank, other.dense ? q : other.rank);
    const Index overlaps = kF64 * (2 * smaller * std::max(info.outputs, info.inputs) + 6 * smaller * larger);
    needs.add_module(std::max(x.working, x.kept + std::max(y.working, y.kept + overlaps)));
    needs.add_numbers(0);
    needs.add_grid(info.inputs, p, q);
    needs.add_grid(info.outputs, p, q);
    if (info.dense || other.dense) continue;
    needs.add_grid(info.inputs, std::min(info.inputs, info.rank), std::min(info.inputs, other.rank));
    needs.add_grid(info.outputs, std::min(info.outputs, info.rank), std::min(info.outputs, other.rank));
  }
  return needs.take();
}

MemoryNeed amplification_memory(const UpdateSource& updates, const LinearWeights& weights,
                                const AmplificationOptions& options) {
  Needs needs(options.random_seeds);
  const DecompositionOptions decomposition = at_least(options.decomposition, options.directions);
  for (Index i = 0; i < std::ssize(updates.modules()); ++i) {
    const UpdateInfo& info = updates.modules()[static_cast<std::size_t>(i)];
    const SpacesBytes spaces = spaces_bytes(updates, i, decomposition);
    const Index found = most_directions(info, decomposition.full_side, decomposition.top);
    const Index r = options.directions > 0 ? std::min(options.directions, found) : found;
    const Index w = weight_directions(options, std::min(info.outputs, info.inputs));
    needs.add_module(std::max(
        spaces.working, spaces.kept + weight_working(weight_of(info, updates, weights), options, r, w)));
    needs.add_numbers(std::max(w, r));
    needs.add_grid(info.outputs, w, r);
    needs.add_grid(info.inputs, w, r);
  }
  return needs.take();
}

MemoryNeed compress_memory(const UpdateSource& updates, const CompressOptions& options) {
  Needs needs(0);
  const DecompositionOptions decomposition = at_least(options.decomposition, options.rank);
  for (Index i = 0; i < std::ssize(updates.modules()); ++i) {
    const UpdateInfo& info = updates.modules()[static_cast<std::size_t>(i)];
    const SpacesBytes spaces = spaces_bytes(updates, i, decomposition);
    const Index found = most_directions(info, decomposition.full_side, decomposition.top);
    const Index kept = std::max<Index>(1, options.rank > 0 ? std::min(options.rank, found) : found);
    const Index factors = kept * (info.outputs + info.inputs);
    constexpr Index kRowsAtOnce = 256;  // of what is left out, twice
    const bool again = info.dense && std::min(info.outputs, info.inputs) > decomposition.full_side;
    const Index rest = again ? updates.reading_bytes(i) + 2 * kF64 * kRowsAtOnce * info.inputs : 0;
    // Directions, scaled, and as tables; then as float32, one factor after the other.
    needs.add_module(std::max(spaces.working, spaces.kept + 3 * kF64 * factors + rest));
    needs.add_factors(factors);
  }
  return needs.take();
}

}  // namespace lorry::analysis
