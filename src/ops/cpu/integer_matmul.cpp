// Legend: K is the side that is summed over. It is taken in groups of kGroup, which share a scale of a; bytes
// lie in fours along K, which one instruction multiplies and adds.
#include "ops/cpu/integer_matmul.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/integer_matmul.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway asks.
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "ops/cpu/integer_tile-inl.hpp"
#include "ops/cpu/low_rank.hpp"
#include "ops/cpu/panel_product.hpp"
#include "ops/cpu/rounding-inl.hpp"
#include "ops/cpu/rows-inl.hpp"
#include "ops/cpu/store_turned-inl.hpp"

#ifndef LORRY_OPS_CPU_INTEGER_MATMUL
#define LORRY_OPS_CPU_INTEGER_MATMUL
namespace lorry::ops::cpu {
namespace {

constexpr Index kGroup =
    128;  // elements of a row of a that share a scale: their products are summed in integers
constexpr Index kGroupsPerStretch = kPieceSizes.stretch / kGroup;
constexpr float kMostOfB = 127.0F;

/// What all threads know of a product.
struct Product : PanelProduct {
  bool vnni = false;                 // whether the CPU adds four products of bytes at once
  std::uint8_t* laid_out = nullptr;  // [parts, strips, strip's rows x kGroup]
  float* factors = nullptr;          // [parts, strips, strip's rows]: what 1 of laid_out stands for

  [[nodiscard]] Index parts() const { return pieces(inner(), kGroup); }
  [[nodiscard]] Index part_depth(Index part) const { return std::min(kGroup, inner() - part * kGroup); }
  [[nodiscard]] const std::int8_t* codes(Index row, Index col) const {
    const PackedMatrix& matrix = *b.packed;
    const Index at = (b.first_row + row) * matrix.cols + b.first_col + col;
    return reinterpret_cast<const std::int8_t*>(matrix.codes.data()) + at;
  }
  /// What 1 stands for in a row of b.
  [[nodiscard]] float scale(Index row) const {
    return std::get<RowScales>(b.packed->scales).absmax[b.first_row + row] / kMostOfB;
  }
};

/// Fours along K; the last one has zeros behind the end.
constexpr Index fours_of(Index depth) {
  return pieces(depth, 4);
}

}  // namespace
}  // namespace lorry::ops::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace lorry::ops::cpu::HWY_NAMESPACE {
namespace {

/// Rows of a side by side: kWidth where they are vectors, kHeight where they are read one by one.
Index strip_rows(MatmulOptions options) {
  return options.transpose_b ? kWidth : kHeight;
}

Index strips_of(const Product& product) {
  return pieces(product.c.rows, strip_rows(product.options));
}

/// to [depth], with room for whole vectors = the numbers of a part of a row of a, times those of `scales`
/// where there are some, in units of what is returned, plus kOffset. room: as much.
template <class T>
float round_part(const T* from, const float* scales, Index depth, float* room, std::uint8_t* to) {
  RoundingUnit look;
  for_each_vector(depth, [&](Index k, Index count) HWY_ATTR {
    FloatVec x = load(from + k, count);
    if (scales != nullptr) x = hn::Mul(x, load(scales + k));
    look.look_at(x);
    store(x, room + k);
  });
  const auto unit = look.of(kMostOfA);
  if (std::isnan(unit.size)) return unit.size;
  const hn::Rebind<std::uint8_t, FloatTag> bytes;
  for (Index k = 0; k < depth; k += kLanes) {
    const IntVec whole = hn::NearestInt(hn::Mul(load(room + k), splat(unit.inverse)));
    hn::StoreU(hn::DemoteTo(bytes, hn::Add(whole, hn::Set(kInts, kOffset))), bytes, to + k);
  }
  return unit.size;
}

/// Strips of a part of a: where rows are vectors [fours, kWidth, 4], else [kHeight, kGroup]. What lies behind
/// the end of a row meets zeros of b.
template <class T>
void lay_out_part(const Product& product, Index part) {
  const bool rows_are_vectors = product.options.transpose_b;
  const Index wide = strip_rows(product.options);
  const Index depth = product.part_depth(part);
  const Index k = part * kGroup;
  alignas(64) std::array<float, kGroup + kLanes> scales = {};
  alignas(64) std::array<float, kGroup + kLanes> room;
  alignas(64) std::array<std::uint8_t, kGroup + kLanes + 4> row = {};
  for (Index i = 0; !rows_are_vectors && i < depth; ++i)
    scales[static_cast<std::size_t>(i)] = product.scale(k + i);
  for (Index strip = 0; strip < strips_of(product); ++strip) {
    const Index first = strip * wide;
    const Index rows = std::min(wide, product.c.rows - first);
    const Index at = (part * strips_of(product) + strip) * wide;
    float* const factors = product.factors + at;
    std::uint8_t* const to = product.laid_out + at * kGroup;
    if (rows < wide) {
      std::fill_n(to, kGroup * wide, std::uint8_t{0});
      std::fill_n(factors, wide, 0.0F);
    }
    for (Index i = 0; i < rows; ++i) {
      const T* const from = product.a.row<T>(first + i) + k;
      factors[i] =
          round_part(from, rows_are_vectors ? nullptr : scales.data(), depth, room.data(), row.data());
      if (!rows_are_vectors) {
        std::copy_n(row.begin(), 4 * fours_of(depth), to + i * kGroup);
        continue;
      }
      for (Index p = 0; p < fours_of(depth); ++p) std::memcpy(to + (p * wide + i) * 4, row.data() + 4 * p, 4);
    }
  }
}

void lay_out(const Product& product, Index part) {
  with_type(product.a.dtype, [&](auto zero) { lay_out_part<decltype(zero)>(product, part); });
}

HWY_INLINE IntVec load_codes(const std::int8_t* from, Index count) {
  const hn::Rebind<std::int8_t, FloatTag> bytes;
  if (count == kLanes) return hn::PromoteTo(kInts, hn::LoadU(bytes, from));
  std::int8_t buffer[kLanes] = {};
  std::copy_n(from, count, buffer);
  return hn::PromoteTo(kInts, hn::LoadU(bytes, buffer));
}

/// to [depth], zeros up to a whole four = codes; gives their sum.
HWY_INLINE std::int32_t copy_row(const std::int8_t* codes, Index depth, std::uint8_t* to) {
  std::int32_t sum = 0;
  for (Index i = 0; i < depth; ++i) sum += codes[i];
  std::memcpy(to, codes, static_cast<std::size_t>(depth));
  for (Index i = depth; i % 4 != 0; ++i) to[i] = 0;
  return sum;
}

/// to [cols] = fours of `count` rows of codes, `stride` apart, and zeros; adds them to sums.
void gather_fours(const std::int8_t* codes, Index stride, Index count, Index cols, std::int32_t* to,
                  std::int32_t* sums) {
  const IntVec byte = hn::Set(kInts, 255);
  for_each_vector(cols, [&](Index i, Index lanes) HWY_ATTR {
    const auto row = [&](Index r) HWY_ATTR {
      return r < count ? load_codes(codes + r * stride + i, lanes) : hn::Zero(kInts);
    };
    const IntVec a = row(0);
    const IntVec b = row(1);
    const IntVec c = row(2);
    const IntVec d = row(3);
    const IntVec low = hn::Or(hn::And(a, byte), hn::ShiftLeft<8>(hn::And(b, byte)));
    const IntVec high = hn::Or(hn::ShiftLeft<16>(hn::And(c, byte)), hn::ShiftLeft<24>(d));
    hn::StoreU(hn::Or(low, high), kInts, to + i);
    const IntVec sum = hn::Add(hn::Add(a, b), hn::Add(c, d));
    hn::StoreU(hn::Add(hn::LoadU(kInts, sums + i), sum), kInts, sums + i);
  });
}

/// c^T = b a^T: numbers of b's rows by vectors along the rows of a.
void multiply_weight_rows(const Product& product, Index first, Index count, IntegerMatmul::Own& own) {
  constexpr Index kStride = kGroup + kPadding;
  const Index strips = strips_of(product);
  const MatrixView sums = own.sums.view(count, strips * kWidth, DType::kF32);
  std::uint8_t* const weights = own.weights.view(count, kStride, DType::kU8).row<std::uint8_t>(0);
  std::array<std::int32_t, kPieceSizes.cols> sums_of_b;
  for (Index part = 0; part < product.parts(); ++part) {
    const Index depth = product.part_depth(part);
    for (Index n = 0; n < count; ++n) {
      const std::int8_t* const codes = product.codes(first + n, part * kGroup);
      sums_of_b[static_cast<std::size_t>(n)] = copy_row(codes, depth, weights + n * kStride);
    }
    const WeightView coming = product.weights(first, count, part / kGroupsPerStretch + 1);
    for (Index m = 0; m < strips; ++m) {
      if (part % kGroupsPerStretch == 0) prefetch_share(coming, m, strips);
      const Index at = (part * strips + m) * kWidth;
      Operands of = {weights, kStride, product.laid_out + at * kGroup, 4 * kWidth, fours_of(depth)};
      Corrections by = {product.factors + at, sums_of_b.data()};
      for (Index n = 0; n < count; n += kHeight, of.rows += kHeight * kStride, by.sums_of_b += kHeight)
        multiply_rows<true>(product.vnni, std::min(kHeight, count - n), of, by, part > 0,
                            sums.row<float>(n) + m * kWidth, sums.stride);
    }
  }
  store_turned(
      sums, own.turned, product.options.accumulate, [&](Index n) { return product.scale(first + n); },
      product.c.col_range(first, count));
}

/// c = a b: numbers of a's rows by vectors along the rows of b.
void multiply_weight_columns(const Product& product, Index first, Index count, IntegerMatmul::Own& own) {
  constexpr Index kFours = kGroup / 4;
  const Index strips = strips_of(product);
  const Index width = pieces(count, kWidth) * kWidth;
  const Index stride = width + kPadding;
  const MatrixView sums = own.sums.view(strips * kHeight, width, DType::kF32);
  const MatrixView room = own.weights.view(kFours + 1, stride, DType::kF32);  // of fours, and sums of columns
  std::fill_n(room.row<float>(0), room.size(), 0.0F);                         // columns that are not there
  auto* const weights = reinterpret_cast<std::int32_t*>(room.data);
  std::int32_t* const sums_of_b = weights + kFours * stride;
  for (Index part = 0; part < product.parts(); ++part) {
    const Index depth = product.part_depth(part);
    std::fill_n(sums_of_b, width, 0);
    for (Index k = 0; k < depth; k += 4) {
      gather_fours(product.codes(part * kGroup + k, first), product.b.packed->cols,
                   std::min<Index>(4, depth - k), count, weights + k / 4 * stride, sums_of_b);
    }
    const WeightView coming = product.weights(first, count, part / kGroupsPerStretch + 1);
    for (Index n = 0; n < width; n += kWidth) {
      if (part % kGroupsPerStretch == 0) prefetch_share(coming, n / kWidth, width / kWidth);
      for (Index m = 0; m < strips; ++m) {
        const Index at = (part * strips + m) * kHeight;
        const Operands of = {product.laid_out + at * kGroup, kGroup,
                             reinterpret_cast<const std::uint8_t*>(weights + n), 4 * stride, fours_of(depth)};
        multiply_rows<false>(product.vnni, std::min(kHeight, product.c.rows - m * kHeight), of,
                             {product.factors + at, sums_of_b + n}, part > 0,
                             sums.row<float>(m * kHeight) + n, sums.stride);
      }
    }
  }
  store_sums(sums.row_range(0, product.c.rows).col_range(0, count), product.options.accumulate,
             product.c.col_range(first, count));
}

void multiply_columns_of_c(const Product& product, Index first, Index count, IntegerMatmul::Own& own) {
  product.options.transpose_b ? multiply_weight_rows(product, first, count, own)
                              : multiply_weight_columns(product, first, count, own);
}

}  // namespace
}  // namespace lorry::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lorry::ops::cpu {

HWY_EXPORT(strip_rows);
HWY_EXPORT(lay_out);
HWY_EXPORT(multiply_columns_of_c);

namespace {

bool has_vnni() {
#if HWY_ARCH_X86
  return __builtin_cpu_supports("avx512vnni") != 0;
#else
  return false;
#endif
}

}  // namespace

Index IntegerMatmul::kept_bytes(Index rows, Index side, Index threads) {
  return panel_bytes(rows, side, size_of(DType::kU8), threads);
}

void IntegerMatmul::run(ConstMatrixView a, WeightView b, MatrixView c, MatmulOptions options,
                        std::span<const LowRankTerm> plus) {
  LORRY_CHECK(b.is_packed() && b.packed->format == BlockFormat::kInt8 && b.packed->interleaved_head == 0);
  LORRY_CHECK(!options.transpose_a);
  of_threads_.resize(std::max(of_threads_.size(), static_cast<std::size_t>(omp_get_max_threads())));
  for_each_row_part({a, b, c, options}, size_of(DType::kU8), [&](const PanelProduct& part, Index row) {
    const Index side = HWY_DYNAMIC_DISPATCH(strip_rows)(options);
    const Index rows = pieces(part.c.rows, side) * side;
    const Index parts = pieces(part.inner(), kGroup);
    const MatrixView room = laid_out_.view(parts * kGroup, rows, DType::kU8);
    const MatrixView factors = factors_.view(parts, rows, DType::kF32);
    const Product product = {part, has_vnni(), room.row<std::uint8_t>(0), factors.row<float>(0)};
    parallel_for(parts, [&](Index i) { HWY_DYNAMIC_DISPATCH(lay_out)(product, i); });
    for_each_column_piece(part, [&](Index first, Index count) {
      Own& own = of_threads_[static_cast<std::size_t>(omp_get_thread_num())];
      HWY_DYNAMIC_DISPATCH(multiply_columns_of_c)(product, first, count, own);
      add_terms(plus, row, first, part.c.col_range(first, count));
    });
  });
}

}  // namespace lorry::ops::cpu
#endif  // HWY_ONCE
