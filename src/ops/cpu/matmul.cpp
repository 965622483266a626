#include "ops/cpu/matmul.hpp"

#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <array>
#include <dnnl.hpp>
#include <list>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

#include "ops/cpu/elementwise.hpp"
#include "ops/cpu/fma_matmul.hpp"
#include "ops/cpu/integer_dot.hpp"
#include "ops/cpu/integer_matmul.hpp"
#include "ops/cpu/low_rank.hpp"
#include "ops/cpu/matvec.hpp"
#include "ops/cpu/parallel.hpp"
#include "ops/cpu/scratch.hpp"
#include "ops/cpu/tile_matmul.hpp"
#include "ops/cpu/unpack.hpp"

namespace lorry::ops::cpu {
namespace {

// Bound of a converted panel of b, and of a panel of c. Much larger than the caches, so that the start of a
// product does not count; much smaller than a model.
constexpr Index kPanelBytes = Index{16} << 20;
constexpr Index kPanelCols = 64;  // panels are multiples of it, as oneDNN's blocks are

// Columns of a panel of packed b, and rows of a, that one thread multiplies at a time: such a panel of a few
// thousand rows fits in a core's cache, and 256 do not cut GGUF's larger blocks. By shape alone, since oneDNN
// cuts K by the shape it is given, and other sums are the result.
constexpr Index kOwnCols = 256;
constexpr Index kOwnRows = 1024;
constexpr Index kRowStep = 16;  // which pieces of rows are multiples of

// Elements of c per thread. oneDNN 2.6 with AMX blocks a small product otherwise where it has more
// threads than that keeps busy ([96,259] of 1531 products each, 5 threads), and other sums are the result.
constexpr Index kThreadElements = 8192;

constexpr std::size_t kPrimitives = 1024;  // packed batches have some 60 row counts, a model a dozen products

struct Isa {
  dnnl::cpu_isa id;
  std::string_view name;
  bool fast_bf16;  // products of BF16 are not emulated
  bool wide;       // AVX-512: oneDNN's products; else FmaMatmul's
  bool tiles;      // BF16 goes to TileMatmul where that serves
};
constexpr std::array kIsas = {
    Isa{dnnl::cpu_isa::sse41, "sse41", false, false, false},
    Isa{dnnl::cpu_isa::avx, "avx", false, false, false},
    Isa{dnnl::cpu_isa::avx2, "avx2", false, false, false},
    Isa{dnnl::cpu_isa::avx2_vnni, "avx2_vnni", false, false, false},
    Isa{dnnl::cpu_isa::avx512_core, "avx512_core", false, true, false},
    Isa{dnnl::cpu_isa::avx512_core_vnni, "avx512_core_vnni", false, true, false},
    Isa{dnnl::cpu_isa::avx512_core_bf16, "avx512_core_bf16", true, true, false},
    Isa{dnnl::cpu_isa::avx512_core_amx, "avx512_core_amx", true, true, true},
};
constexpr Isa kUnknownIsa = {dnnl::cpu_isa::all, "unknown", false, false, false};

const Isa& current_isa() {
  const dnnl::cpu_isa id = dnnl::get_effective_cpu_isa();
  const auto* const found =
      std::find_if(kIsas.begin(), kIsas.end(), [id](const Isa& isa) { return isa.id == id; });
  return found == kIsas.end() ? kUnknownIsa : *found;
}

dnnl::memory::data_type dnnl_type(DType dtype) {
  LORRY_CHECK(dtype == DType::kF32 || dtype == DType::kBF16);
  return dtype == DType::kF32 ? dnnl::memory::data_type::f32 : dnnl::memory::data_type::bf16;
}

/// The [rows, cols] of op(view) as oneDNN sees them: a transpose is a swap of strides.
dnnl::memory::desc describe(ConstMatrixView view, bool transpose) {
  using dims = dnnl::memory::dims;
  if (transpose) return {dims{view.cols, view.rows}, dnnl_type(view.dtype), dims{1, view.stride}};
  return {dims{view.rows, view.cols}, dnnl_type(view.dtype), dims{view.stride, 1}};
}

/// Memory for oneDNN to look at; it takes mutable pointers for its inputs too.
dnnl::memory borrow(const dnnl::memory::desc& desc, const dnnl::engine& engine, ConstMatrixView view) {
  return {desc, engine, const_cast<std::byte*>(view.data)};
}

/// Everything a primitive was compiled for.
using Key = std::array<Index, 10>;

/// Which threads will run a primitive.
enum class Team { kAll, kOne };

Key key_of(ConstMatrixView a, ConstMatrixView b, ConstMatrixView c, MatmulOptions options, Team team) {
  const Index flags =
      (options.transpose_a ? 1 : 0) + (options.transpose_b ? 2 : 0) + (options.accumulate ? 4 : 0);
  const auto types = static_cast<Index>(a.dtype) * 256 + static_cast<Index>(c.dtype);
  return {a.rows,   a.cols,   b.rows, b.cols, a.stride,
          b.stride, c.stride, flags,  types,  static_cast<Index>(team)};
}

struct Primitive {
  Key key;
  dnnl::memory::desc a, b, c, scratchpad;
  dnnl::matmul matmul;
};

/// The columns [first, first + count) of op(b).
template <class View>
View columns_of(View b, bool transpose, Index first, Index count) {
  return transpose ? b.row_range(first, count) : b.col_range(first, count);
}

/// The rows [first, first + count) of op(a).
ConstMatrixView rows_of(ConstMatrixView a, bool transpose, Index first, Index count) {
  return transpose ? a.col_range(first, count) : a.row_range(first, count);
}

/// How many columns of c to compute at a time. oneDNN 2.6 cuts wide BF16 products into blocks that miss the
/// caches, and narrower calls are up to 1.6 times as fast (512 rows, 2 cores, weights not in cache: b
/// [2048,5632] 1120 to 1470 GFLOP/s, b^T [5632,2048] 1400 to 1740). Very wide transposed ones it cuts well by
/// itself.
Index strip_width(ConstMatrixView b, MatrixView c, MatmulOptions options) {
  constexpr Index kWide = 4096;
  if (b.dtype != DType::kBF16 || (options.transpose_b && c.cols > kWide)) return c.cols;
  return options.transpose_b ? 512 : 1024;
}

/// The side of tiles that cover `total` evenly, at most `most` each but for rounding up to multiples of
/// `step`.
Index even_side(Index total, Index most, Index step) {
  const Index count = pieces(total, most);
  return pieces(pieces(total, count), step) * step;
}

void zero(MatrixView c) {
  for (Index i = 0; i < c.rows; ++i)
    std::fill_n(c.data + i * c.stride * size_of(c.dtype), c.cols * size_of(c.dtype), std::byte{0});
}

/// The threads that parallel loops take, oneDNN's among them, while it lives.
class ThreadCount {
 public:
  explicit ThreadCount(int threads) : before_(omp_get_max_threads()) { omp_set_num_threads(threads); }
  ~ThreadCount() { omp_set_num_threads(before_); }
  ThreadCount(const ThreadCount&) = delete;
  ThreadCount& operator=(const ThreadCount&) = delete;

 private:
  int before_;
};

}  // namespace

struct Matmul::State {
  std::mutex mutex;
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  std::list<Primitive> primitives;  // the most recently used one first
  TileMatmul tile_matmul;
  FmaMatmul fma_matmul;
  IntegerMatmul integer_matmul;
  Scratch scratchpad, converted_a, panel_b, panel_c;

  Primitive create(ConstMatrixView a, ConstMatrixView b, ConstMatrixView c, MatmulOptions options) const {
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    if (options.accumulate) {
      dnnl::post_ops sum;
      sum.append_sum(1.0F);
      attributes.set_post_ops(sum);
    }
    Primitive made;
    made.a = describe(a, options.transpose_a);
    made.b = describe(b, options.transpose_b);
    made.c = describe(c, false);
    const dnnl::matmul::primitive_desc desc({made.a, made.b, made.c}, attributes, engine);
    made.scratchpad = desc.scratchpad_desc();
    made.matmul = dnnl::matmul(desc);
    return made;
  }

  const Primitive& find(ConstMatrixView a, ConstMatrixView b, ConstMatrixView c, MatmulOptions options,
                        Team team = Team::kAll) {
    const Key key = key_of(a, b, c, options, team);
    const auto found =
        std::find_if(primitives.begin(), primitives.end(), [&](const Primitive& p) { return p.key == key; });
    if (found != primitives.end()) {
      primitives.splice(primitives.begin(), primitives, found);
    } else {
      primitives.push_front(create(a, b, c, options));
      primitives.front().key = key;
      if (primitives.size() > kPrimitives) primitives.pop_back();
    }
    return primitives.front();
  }

  /// Runs a primitive on memory of its shapes; several threads may, each with a stream and a pad of its own.
  void execute(const Primitive& primitive, dnnl::stream& on, Scratch& pad, ConstMatrixView a,
               ConstMatrixView b, MatrixView c) const {
    const auto bytes = static_cast<Index>(primitive.scratchpad.get_size());
    const MatrixView room = pad.view(1, std::max<Index>(bytes, 1), DType::kU8);
    primitive.matmul.execute(on, {{DNNL_ARG_SRC, borrow(primitive.a, engine, a)},
                                  {DNNL_ARG_WEIGHTS, borrow(primitive.b, engine, b)},
                                  {DNNL_ARG_DST, borrow(primitive.c, engine, c)},
                                  {DNNL_ARG_SCRATCHPAD, borrow(primitive.scratchpad, engine, room)}});
    on.wait();
  }

  /// a and b of one type; c BF16 only if they are.
  void multiply(ConstMatrixView a, ConstMatrixView b, MatrixView c, MatmulOptions options) {
    const Index enough = std::max<Index>(1, c.rows * c.cols / kThreadElements);
    const ThreadCount threads(static_cast<int>(std::min<Index>(enough, omp_get_max_threads())));
    execute(find(a, b, c, options), stream, scratchpad, a, b, c);
  }

  /// multiply, strip by strip of columns, to each of which the terms are added while caches hold it.
  void multiply_strips(ConstMatrixView a, ConstMatrixView b, MatrixView c, MatmulOptions options,
                       std::span<const LowRankTerm> plus) {
    const Index width = strip_width(b, c, options);
    for (Index first = 0; first < c.cols; first += width) {
      const Index count = std::min(width, c.cols - first);
      const MatrixView strip = c.col_range(first, count);
      multiply(a, columns_of(b, options.transpose_b, first, count), strip, options);
      add_terms(plus, 0, first, strip);
    }
  }

  /// The numbers of `part` in `dtype`.
  ConstMatrixView panel_of(WeightView part, DType dtype) {
    if (part.is(dtype)) return part.dense;
    const MatrixView panel = panel_b.view(part.rows, part.cols, dtype);
    copy_weight(part, panel);
    return panel;
  }

  /// What a thread needs to unpack panels and multiply them alone.
  struct Own {
    Scratch panel, pad, wide;
  };
  std::vector<Own> of_threads;

  /// Whether c is rounded from a product in F32.
  static bool widens(ConstMatrixView a, MatrixView c) {
    return a.dtype == DType::kF32 && c.dtype != DType::kF32;
  }

  /// A part of a product with packed weights that one thread computes.
  struct Task {
    Index row, rows, col, cols;
    const Primitive* primitive;
  };

  /// Two tasks at least, unless c is narrow.
  std::vector<Task> cut_packed(ConstMatrixView a, WeightView b, MatrixView c, MatmulOptions options) {
    if (widens(a, c)) options.accumulate = false;  // multiply_packed adds
    const Index width = c.cols >= 2 * kOwnCols
                            ? kOwnCols
                            : std::min(kOwnCols, even_side(c.cols, pieces(c.cols, 2), kPanelCols));
    const Index height = even_side(c.rows, kOwnRows, kRowStep);
    const ThreadCount one(1);  // which primitives are made for
    std::vector<Task> tasks;
    for (Index col = 0; col < c.cols; col += width) {
      for (Index row = 0; row < c.rows; row += height) {
        Task task = {row, std::min(height, c.rows - row), col, std::min(width, c.cols - col), nullptr};
        const WeightView part = columns_of(b, options.transpose_b, col, task.cols);
        const ConstMatrixView panel = {nullptr, part.rows, part.cols, part.cols, a.dtype};
        MatrixView out = c.row_range(row, task.rows).col_range(col, task.cols);
        if (widens(a, c)) out = {nullptr, task.rows, task.cols, task.cols, DType::kF32};
        // Four shapes at most: none is dropped from the list meanwhile.
        task.primitive =
            &find(rows_of(a, options.transpose_a, row, task.rows), panel, out, options, Team::kOne);
        tasks.push_back(task);
      }
    }
    return tasks;
  }

  /// c = op(a) op(b) + plus or c += ... for a packed b: each thread unpacks panels of its own and multiplies
  /// them while they lie in its cache.
  void multiply_packed(ConstMatrixView a, WeightView b, MatrixView c, MatmulOptions options,
                       std::span<const LowRankTerm> plus) {
    of_threads.resize(std::max(of_threads.size(), static_cast<std::size_t>(omp_get_max_threads())));
    const std::vector<Task> tasks = cut_packed(a, b, c, options);
    parallel_for(std::ssize(tasks), [&](Index i) {
      const Task& task = tasks[static_cast<std::size_t>(i)];
      Own& own = of_threads[static_cast<std::size_t>(omp_get_thread_num())];
      const WeightView part = columns_of(b, options.transpose_b, task.col, task.cols);
      const MatrixView panel = own.panel.view(part.rows, part.cols, a.dtype);
      unpack_serial(part, panel);
      dnnl::stream alone(engine);
      const ThreadCount one(1);  // a single task makes no parallel loop
      const ConstMatrixView rows = rows_of(a, options.transpose_a, task.row, task.rows);
      const MatrixView out = c.row_range(task.row, task.rows).col_range(task.col, task.cols);
      if (!widens(a, c)) {
        execute(*task.primitive, alone, own.pad, rows, panel, out);
      } else {
        const MatrixView wide = own.wide.view(out.rows, out.cols, DType::kF32);
        execute(*task.primitive, alone, own.pad, rows, panel, wide);
        options.accumulate ? add_serial(wide, 1.0F, out) : copy_serial(wide, out);
      }
      add_terms(plus, task.row, task.col, out);
    });
  }

  /// Cuts c and op(b) into column panels, because a whole b or c would take too much memory in another type.
  /// Every element of c is still one product over the whole of K.
  void multiply_panels(ConstMatrixView a, WeightView b, MatrixView c, MatmulOptions options,
                       std::span<const LowRankTerm> plus) {
    const bool widen_c = widens(a, c);
    if (b.is_packed()) return multiply_packed(a, b, c, options, plus);
    const Index inner = options.transpose_b ? b.cols : b.rows;
    const Index col_bytes = std::max(inner * size_of(a.dtype), widen_c ? c.rows * size_of(DType::kF32) : 0);
    const Index width = std::max<Index>(1, kPanelBytes / col_bytes / kPanelCols) * kPanelCols;
    for (Index first = 0; first < c.cols; first += width) {
      const Index count = std::min(width, c.cols - first);
      const MatrixView out = c.col_range(first, count);
      const ConstMatrixView part = panel_of(columns_of(b, options.transpose_b, first, count), a.dtype);
      if (!widen_c) {
        multiply(a, part, out, options);
      } else {
        const MatrixView wide = panel_c.view(out.rows, out.cols, DType::kF32);
        multiply(a, part, wide, {options.transpose_a, options.transpose_b, false});
        options.accumulate ? add(wide, 1.0F, out) : copy(wide, out);
      }
      add_terms(plus, 0, first, out);
    }
  }
};

Matmul::Matmul() : state_(std::make_unique<State>()) {}
Matmul::~Matmul() = default;

void Matmul::run(ConstMatrixView a, WeightView b, MatrixView c, MatmulOptions options) {
  const Index inner = options.transpose_a ? a.rows : a.cols;
  LORRY_CHECK_EQ(c.rows, options.transpose_a ? a.cols : a.rows);
  LORRY_CHECK_EQ(inner, options.transpose_b ? b.cols : b.rows);
  LORRY_CHECK_EQ(c.cols, options.transpose_b ? b.rows : b.cols);
  LORRY_CHECK(c.dtype == DType::kF32 || c.dtype == DType::kBF16);
  LORRY_CHECK(options.integers == Integers::kNone || !options.transpose_a);
  if (c.rows == 0 || c.cols == 0) return;
  const std::span<const LowRankTerm> plus = std::exchange(options.plus, {});
  for (const auto& [h, p] : plus) {
    LORRY_CHECK(h.rows == c.rows && h.cols == p.rows && p.cols == c.cols);
    LORRY_CHECK(h.dtype == DType::kF32 && p.dtype == DType::kF32);
  }
  if (inner == 0) {
    if (!options.accumulate) zero(c);
  } else if (options.integers == Integers::kDots && options.transpose_b && integer_dot_serves(b)) {
    integer_dot(a, b, options.accumulate, c);
  } else if (c.rows <= kMatvecRows && !options.transpose_a) {
    matvec(a, b, options.transpose_b, options.accumulate, c);
  } else {
    return multiply(a, b, c, options, plus);
  }
  add_terms(plus, 0, 0, c);
}

void Matmul::multiply(ConstMatrixView a, WeightView b, MatrixView c, MatmulOptions options,
                      std::span<const LowRankTerm> plus) {
  const std::lock_guard lock(state_->mutex);
  if (options.integers == Integers::kTiles && b.is_packed() && b.packed->format == BlockFormat::kInt8) {
    return state_->integer_matmul.run(a, b, c, options, plus);
  }
  if (!current_isa().wide) {
    return state_->fma_matmul.run(a, b, c, options, a.dtype == DType::kBF16, plus);
  }
  const DType type = a.dtype == DType::kBF16 ? DType::kBF16 : DType::kF32;
  if (a.dtype != type) {
    const MatrixView converted = state_->converted_a.view(a.rows, a.cols, type);
    copy(a, converted);
    a = converted;
  }
  if (current_isa().tiles && TileMatmul::serves(a, b, options)) {
    state_->tile_matmul.run(a, b, c, options, plus);
  } else if (b.is(type) && (type == DType::kBF16 || c.dtype == DType::kF32)) {
    state_->multiply_strips(a, b.dense, c, options, plus);
  } else {
    state_->multiply_panels(a, b, c, options, plus);
  }
}

Index Matmul::kept_bytes(const ProductSizes& sizes, Index threads) {
  if (!sizes.integers) return kept_by_numbers(sizes, threads);
  return kept_by_numbers(sizes, threads) + IntegerMatmul::kept_bytes(sizes.rows, sizes.side, threads);
}

Index Matmul::kept_by_numbers(const ProductSizes& sizes, Index threads) {
  const Isa& isa = current_isa();
  if (!isa.wide) return FmaMatmul::kept_bytes(sizes.rows, sizes.side, threads);
  const Index panel = std::min(kPanelBytes, sizes.converted * size_of(DType::kF32));
  if (sizes.packed_side == 0) return panel;
  if (isa.tiles) return panel + TileMatmul::kept_bytes(sizes.rows, sizes.packed_side, threads);
  const Index own = kOwnCols * sizes.packed_side * size_of(DType::kF32);
  return panel + threads * own;
}

std::string Matmul::description() {
  const Isa& isa = current_isa();
  if (!isa.wide) return "products of its own";
  const dnnl_version_t* const version = dnnl_version();
  return fmt::format("oneDNN {}.{}.{} {}", version->major, version->minor, version->patch, isa.name);
}

bool Matmul::forgoes_avx512() {
  const Isa& isa = current_isa();
  return !isa.wide && &isa != &kUnknownIsa;
}

bool Matmul::fast_bf16() {
  return current_isa().fast_bf16;
}

}  // namespace lorry::ops::cpu
