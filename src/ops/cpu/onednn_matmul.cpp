#include "ops/cpu/onednn_matmul.hpp"

#include <omp.h>

#include <algorithm>
#include <array>
#include <dnnl.hpp>
#include <list>

#include "ops/cpu/low_rank.hpp"
#include "ops/cpu/scratch.hpp"

namespace lorry::ops::cpu {
namespace {

// Elements of c per thread. oneDNN 2.6 with AMX blocks a small product otherwise where it has more
// threads than that keeps busy ([96,259] of 1531 products each, 5 threads), and other sums are the result.
constexpr Index kThreadElements = 8192;

constexpr std::size_t kPrimitives = 1024;  // packed batches have some 60 row counts, a model a dozen products

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
using Key = std::array<Index, 9>;

Key key_of(ConstMatrixView a, ConstMatrixView b, ConstMatrixView c, MatmulOptions options) {
  const Index flags =
      (options.transpose_a ? 1 : 0) + (options.transpose_b ? 2 : 0) + (options.accumulate ? 4 : 0);
  const auto type = static_cast<Index>(c.dtype);
  return {a.rows, a.cols, b.rows, b.cols, a.stride, b.stride, c.stride, flags, type};
}

struct Primitive {
  Key key;
  dnnl::memory::desc a, b, c, scratchpad;
  dnnl::matmul matmul;
};

/// The columns [first, first + count) of op(b).
ConstMatrixView columns_of(ConstMatrixView b, bool transpose, Index first, Index count) {
  return transpose ? b.row_range(first, count) : b.col_range(first, count);
}

/// How many columns of c to compute at a time. oneDNN 2.6 cuts wide products into blocks that miss the
/// caches, and narrower calls are up to 1.6 times as fast (512 rows, 2 cores, weights not in cache: b
/// [2048,5632] 1120 to 1470 GFLOP/s, b^T [5632,2048] 1400 to 1740). Very wide transposed ones it cuts well by
/// itself.
Index strip_width(MatrixView c, MatmulOptions options) {
  constexpr Index kWide = 4096;
  if (options.transpose_b && c.cols > kWide) return c.cols;
  return options.transpose_b ? 512 : 1024;
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

struct OneDnnMatmul::State {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  std::list<Primitive> primitives;  // the most recently used one first
  Scratch scratchpad;

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

  const Primitive& find(ConstMatrixView a, ConstMatrixView b, ConstMatrixView c, MatmulOptions options) {
    const Key key = key_of(a, b, c, options);
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

  void multiply(ConstMatrixView a, ConstMatrixView b, MatrixView c, MatmulOptions options) {
    const Index enough = std::max<Index>(1, c.rows * c.cols / kThreadElements);
    const ThreadCount threads(static_cast<int>(std::min<Index>(enough, omp_get_max_threads())));
    const Primitive& primitive = find(a, b, c, options);
    const auto bytes = static_cast<Index>(primitive.scratchpad.get_size());
    const MatrixView room = scratchpad.view(1, std::max<Index>(bytes, 1), DType::kU8);
    primitive.matmul.execute(stream, {{DNNL_ARG_SRC, borrow(primitive.a, engine, a)},
                                      {DNNL_ARG_WEIGHTS, borrow(primitive.b, engine, b)},
                                      {DNNL_ARG_DST, borrow(primitive.c, engine, c)},
                                      {DNNL_ARG_SCRATCHPAD, borrow(primitive.scratchpad, engine, room)}});
    stream.wait();
  }
};

OneDnnMatmul::OneDnnMatmul() : state_(std::make_unique<State>()) {}
OneDnnMatmul::~OneDnnMatmul() = default;

/// Strip by strip of columns, to each of which the terms are added while caches hold it.
void OneDnnMatmul::run(ConstMatrixView a, ConstMatrixView b, MatrixView c, MatmulOptions options,
                       std::span<const LowRankTerm> plus) {
  LORRY_CHECK(a.dtype == DType::kBF16 && b.dtype == DType::kBF16);
  const Index width = strip_width(c, options);
  for (Index first = 0; first < c.cols; first += width) {
    const Index count = std::min(width, c.cols - first);
    const MatrixView strip = c.col_range(first, count);
    state_->multiply(a, columns_of(b, options.transpose_b, first, count), strip, options);
    add_terms(plus, 0, first, strip);
  }
}

}  // namespace lorry::ops::cpu
