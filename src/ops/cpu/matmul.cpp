#include "ops/cpu/matmul.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <dnnl.hpp>
#include <mutex>
#include <string_view>
#include <utility>

#include "ops/cpu/fma_matmul.hpp"
#include "ops/cpu/integer_dot.hpp"
#include "ops/cpu/integer_matmul.hpp"
#include "ops/cpu/low_rank.hpp"
#include "ops/cpu/matvec.hpp"
#include "ops/cpu/onednn_matmul.hpp"
#include "ops/cpu/tile_matmul.hpp"

namespace lorry::ops::cpu {
namespace {

/// What this machine has, as oneDNN sees it, so that ONEDNN_MAX_CPU_ISA bounds it.
struct Isa {
  dnnl::cpu_isa id;
  std::string_view name;
  bool wide;   // AVX-512
  bool pairs;  // products of BF16 in hardware
  bool tiles;  // AMX
};
constexpr std::array kIsas = {
    Isa{dnnl::cpu_isa::sse41, "sse41", false, false, false},
    Isa{dnnl::cpu_isa::avx, "avx", false, false, false},
    Isa{dnnl::cpu_isa::avx2, "avx2", false, false, false},
    Isa{dnnl::cpu_isa::avx2_vnni, "avx2_vnni", false, false, false},
    Isa{dnnl::cpu_isa::avx512_core, "avx512_core", true, false, false},
    Isa{dnnl::cpu_isa::avx512_core_vnni, "avx512_core_vnni", true, false, false},
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

void zero(MatrixView c) {
  for (Index i = 0; i < c.rows; ++i)
    std::fill_n(c.data + i * c.stride * size_of(c.dtype), c.cols * size_of(c.dtype), std::byte{0});
}

}  // namespace

struct Matmul::State {
  std::mutex mutex;
  OneDnnMatmul onednn_matmul;
  TileMatmul tile_matmul;
  FmaMatmul fma_matmul;
  IntegerMatmul integer_matmul;
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
  const bool bf16 = a.dtype == DType::kBF16;
  if (bf16 && current_isa().tiles) {
    if (TileMatmul::serves(a, b, options)) return state_->tile_matmul.run(a, b, c, options, plus);
    if (b.is(DType::kBF16)) return state_->onednn_matmul.run(a, b.dense, c, options, plus);
  }
  const FmaNumbers numbers = !bf16                 ? FmaNumbers::kFloats
                             : current_isa().pairs ? FmaNumbers::kPairs
                                                   : FmaNumbers::kRoundedWeights;
  state_->fma_matmul.run(a, b, c, options, numbers, plus);
}

Index Matmul::kept_bytes(const ProductSizes& sizes, Index threads) {
  Index bytes = FmaMatmul::kept_bytes(sizes.rows, sizes.side, threads);
  if (sizes.integers) bytes += IntegerMatmul::kept_bytes(sizes.rows, sizes.side, threads);
  if (sizes.packed_side > 0 && current_isa().tiles)
    bytes += TileMatmul::kept_bytes(sizes.rows, sizes.packed_side, threads);
  return bytes;
}

std::string Matmul::description() {
  const Isa& isa = current_isa();
  if (isa.tiles) {
    const dnnl_version_t* const version = dnnl_version();
    return fmt::format("oneDNN {}.{}.{} {}", version->major, version->minor, version->patch, isa.name);
  }
  return isa.pairs ? "products of its own, BF16 in pairs" : "products of its own";
}

bool Matmul::forgoes_avx512() {
  const Isa& isa = current_isa();
  return !isa.wide && &isa != &kUnknownIsa;
}

bool Matmul::fast_bf16() {
  return current_isa().pairs;
}

}  // namespace lorry::ops::cpu
