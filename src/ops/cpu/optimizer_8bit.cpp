// AdamW on quantised moments, block by block: a block's moments are float32 only while it is updated.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/optimizer_8bit.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway asks.
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "ops/cpu/adamw-inl.hpp"
#include "ops/cpu/optimizer.hpp"
#include "ops/cpu/parallel.hpp"
#include "ops/cpu/quantizer.hpp"
#include "ops/cpu/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lorry::ops::cpu::HWY_NAMESPACE {
namespace {

using Block = std::array<float, static_cast<std::size_t>(kQuantBlock)>;

void read_block(const Quantizer& quantizer, const std::uint8_t* codes, float absmax, Index n, Block& values) {
  for (Index i = 0; i < n; ++i) values[static_cast<std::size_t>(i)] = quantizer.value(codes[i]) * absmax;
}

float largest_magnitude(const Block& values, Index n) {
  FloatVec best = splat(0.0F);
  for_each_vector(n, [&](Index i, Index count)
                         HWY_ATTR { best = hn::Max(best, hn::Abs(load(values.data() + i, count))); });
  return hn::GetLane(hn::MaxOfLanes(kFloats, best));
}

/// Returns the block's absmax. keep_above_zero: what is above 0 does not get the code of 0: a second moment
/// of 0 beside a first moment would make an update of lr / eps.
float write_block(const Quantizer& quantizer, const Block& values, Index n, bool keep_above_zero,
                  std::uint8_t* codes) {
  const float absmax = largest_magnitude(values, n);
  const float divisor = absmax > 0.0F ? absmax : 1.0F;
  for (Index i = 0; i < n; ++i) {
    const float value = values[static_cast<std::size_t>(i)];
    const std::uint8_t code = quantizer.code(value / divisor);
    const bool lost = keep_above_zero && code == 0 && value > 0.0F;
    codes[i] = lost ? 1 : code;
  }
  return absmax;
}

/// Of n elements from a block's start on; the moments' pointers: to its codes and to its absmax.
void update_adamw_8bit(const float* gradient, const AdamWOptions& options, Index n, float* weight,
                       std::uint8_t* first, float* first_absmax, std::uint8_t* second, float* second_absmax) {
  const Quantizer& with_sign = signed_quantizer();
  const Quantizer& without = unsigned_quantizer();
  Block m;
  Block v;
  read_block(with_sign, first, *first_absmax, n, m);
  read_block(without, second, *second_absmax, n, v);
  adamw_elements(gradient, step_of(options), n, weight, m.data(), v.data());
  *first_absmax = write_block(with_sign, m, n, false, first);
  *second_absmax = write_block(without, v, n, true, second);
}

}  // namespace
}  // namespace lorry::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lorry::ops::cpu {

HWY_EXPORT(update_adamw_8bit);

namespace {

/// Blocks that a thread takes at once.
constexpr Index kBlocksOfPiece = 32;

bool is_contiguous(ConstMatrixView x, DType dtype, Index rows, Index cols) {
  return x.dtype == dtype && x.stride == x.cols && x.rows == rows && x.cols == cols;
}

void check_quantized(const Quantized& moment, ConstMatrixView weight) {
  LORRY_CHECK(is_contiguous(moment.codes, DType::kU8, weight.rows, weight.cols));
  LORRY_CHECK(is_contiguous(moment.absmax, DType::kF32, 1, pieces(weight.size(), kQuantBlock)));
}

}  // namespace

void adamw_8bit(ConstMatrixView gradient, const AdamWOptions& options, MatrixView weight,
                Quantized first_moment, Quantized second_moment) {
  LORRY_CHECK(is_contiguous(weight, DType::kF32, weight.rows, weight.cols));
  LORRY_CHECK(is_contiguous(gradient, DType::kF32, weight.rows, weight.cols));
  check_quantized(first_moment, weight);
  check_quantized(second_moment, weight);
  LORRY_CHECK(options.step >= 1);
  const Index size = weight.size();
  const Index blocks = pieces(size, kQuantBlock);
  parallel_for(pieces(blocks, kBlocksOfPiece), [&](Index piece) {
    const Index last = std::min(blocks, (piece + 1) * kBlocksOfPiece);
    for (Index block = piece * kBlocksOfPiece; block < last; ++block) {
      const Index first = block * kQuantBlock;
      HWY_DYNAMIC_DISPATCH(update_adamw_8bit)
      (gradient.row<float>(0) + first, options, std::min(kQuantBlock, size - first),
       weight.row<float>(0) + first, first_moment.codes.row<std::uint8_t>(0) + first,
       first_moment.absmax.row<float>(0) + block, second_moment.codes.row<std::uint8_t>(0) + first,
       second_moment.absmax.row<float>(0) + block);
    }
  });
}

}  // namespace lorry::ops::cpu
#endif  // HWY_ONCE
