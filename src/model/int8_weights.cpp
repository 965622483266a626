// Copies of the blocks' linear maps for products in integers. What Weights promises is in model/weights.hpp.
// Unlike bitsandbytes (bnb_numbers.hpp), nothing is rounded to float16 first.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/check.hpp"
#include "core/error.hpp"
#include "model/module_place.hpp"
#include "model/on_threads.hpp"
#include "model/tensor_list.hpp"
#include "model/weights.hpp"

namespace lorry::model {

namespace {

constexpr float kMostCode = 127.0F;

/// The largest magnitude; not finite where some value is not.
float top_of_row(const float* values, Index count) {
  // Magnitudes are ordered as their bits are, and several maxima at once need no flags for speed.
  constexpr std::size_t kChains = 16;
  std::array<std::int32_t, kChains> tops = {};
  const auto bits = [](float value) { return std::bit_cast<std::int32_t>(value) & 0x7fffffff; };
  Index i = 0;
  for (; i + std::ssize(tops) <= count; i += std::ssize(tops)) {
    for (std::size_t c = 0; c < kChains; ++c)
      tops[c] = std::max(tops[c], bits(values[i + static_cast<Index>(c)]));
  }
  for (; i < count; ++i) tops[0] = std::max(tops[0], bits(values[i]));
  return std::bit_cast<float>(*std::max_element(tops.begin(), tops.end()));
}

/// codes = values in units of absmax / 127, to the nearest.
void round_row(const float* values, Index count, float absmax, std::int8_t* codes) {
  constexpr float kMagic = 12582912.0F;  // 1.5 * 2^23: its neighbours are one apart, so adding it rounds
  const float factor = absmax > 0.0F ? kMostCode / absmax : 0.0F;
  if (!std::isfinite(factor)) {  // numbers that are all but zero
    std::fill_n(codes, count, std::int8_t{0});
    return;
  }
  for (Index i = 0; i < count; ++i) {
    const float whole = values[i] * factor + kMagic;
    codes[i] =
        static_cast<std::int8_t>(std::bit_cast<std::int32_t>(whole) - std::bit_cast<std::int32_t>(kMagic));
  }
}

/// False where a number of rows [first, first + count) is not finite.
bool round_rows(WeightView from, Index first, Index count, MatrixView codes, float* tops) {
  Matrix row(1, from.cols);
  float* const values = row.row<float>(0);
  for (Index i = first; i < first + count; ++i) {
    from.read_row(i, values);
    tops[i] = top_of_row(values, from.cols);
    if (!std::isfinite(tops[i])) return false;
    round_row(values, from.cols, tops[i], reinterpret_cast<std::int8_t*>(codes.row<std::uint8_t>(i)));
  }
  return true;
}

bool round_matrix(WeightView from, Index threads, MatrixView codes, float* tops) {
  const Index share = (from.rows + threads - 1) / threads;
  std::vector<char> fine(static_cast<std::size_t>(threads), 1);
  on_threads(threads, [&](Index i) {
    const Index first = std::min(i * share, from.rows);
    const Index count = std::min(share, from.rows - first);
    fine[static_cast<std::size_t>(i)] = round_rows(from, first, count, codes, tops) ? 1 : 0;
  });
  return std::all_of(fine.begin(), fine.end(), [](char f) { return f != 0; });
}

}  // namespace

bool Weights::becomes_int8(const TensorSpec& spec) const {
  if (spec.kind != TensorKind::kLinear || place_of(spec.module()).layer < 0) return false;
  const WeightView own = at(spec.name);
  return !own.is_packed() || own.packed->format != BlockFormat::kInt8;
}

void Weights::hold_int8(const ModelConfig& config, Index threads) {
  LORRY_CHECK(stream_ == nullptr);
  decltype(int8_) copies;
  for (const TensorSpec& spec : list_tensors(config)) {
    if (!becomes_int8(spec)) continue;
    const WeightView own = at(spec.name);
    auto copy = std::make_unique<Int8Copy>();
    copy->codes = Matrix(own.rows, own.cols, DType::kU8);
    copy->absmax = Matrix(1, own.rows);
    if (!round_matrix(own, thread_count(threads), copy->codes, copy->absmax.row<float>(0))) {
      throw Error(
          "[load] tensor \"{}\": found a number that is not finite; expected none with --compute int8",
          spec.name);
    }
    release_pages(own);
    copy->matrix = {.format = BlockFormat::kInt8,
                    .rows = own.rows,
                    .cols = own.cols,
                    .codes = {copy->codes.view().data, static_cast<std::size_t>(own.size())},
                    .scales = RowScales{copy->absmax.row<float>(0)}};
    copies[spec.name] = std::move(copy);
  }
  int8_ = std::move(copies);
}

}  // namespace lorry::model
