#include "ops/cpu/noise.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include "core/rng.hpp"
#include "ops/cpu/parallel.hpp"

namespace lorry::ops::cpu {

void add_noise(std::span<const float> magnitude, const NoiseKey& key, MatrixView x) {
  LORRY_CHECK_EQ(static_cast<Index>(magnitude.size()), x.rows);
  constexpr Index kWords = 4;
  parallel_tiles(x.rows, x.cols, [&](Index first_row, Index rows, Index first_col, Index cols) {
    for (Index i = first_row; i < first_row + rows; ++i) {
      const float scale = 2.0F * magnitude[static_cast<std::size_t>(i)];
      float* row = x.row<float>(i);
      for (Index j = first_col; j < first_col + cols; j += kWords) {  // first_col is a multiple of 1024
        const auto counter = static_cast<std::uint64_t>(i) << 32U | static_cast<std::uint64_t>(j / kWords);
        const std::array<std::uint32_t, 4> words = philox(key.seed, key.stream, counter);
        for (Index k = 0; k < std::min(kWords, first_col + cols - j); ++k) {
          const std::uint32_t draw = words[static_cast<std::size_t>(k)] >> 8U;
          row[j + k] += scale * (static_cast<float>(draw) * 0x1p-24F - 0.5F);
        }
      }
    }
  });
}

}  // namespace lorry::ops::cpu
