// ops/dynamic_map.hpp: the 256 numbers that 8-bit optimiser states are made of: "dynamic tree quantisation"
// (Dettmers 2016, arXiv:1511.04561, sec. 2.1; Dettmers et al. 2021, arXiv:2110.02861, sec. 1.3), the numbers
// of bitsandbytes' create_dynamic_map.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>

#include "core/index.hpp"

namespace lorry::ops {

inline constexpr std::size_t kDynamicCodes = 256;
using DynamicMap = std::array<float, kDynamicCodes>;

/// Ascending, 0 and 1 among them; the other magnitudes lie in seven decades below 1, the upper ones the most
/// finely cut: the middles of 2^i (unsigned: 2^(i+1)) equal parts of [0.1, 1], times 10^(i-6), i = 0 ... 6.
inline DynamicMap dynamic_map(bool with_sign) {
  constexpr int kDecades = 7;
  DynamicMap map{};
  std::size_t count = 0;
  for (int i = 0; i < kDecades; ++i) {
    const int parts = 1 << (with_sign ? i : i + 1);
    for (int part = 0; part < parts; ++part) {
      const double middle = 0.1 + 0.9 * (part + 0.5) / parts;
      const double value = middle * std::pow(10.0, i - (kDecades - 1));
      map[count++] = static_cast<float>(value);
      if (with_sign) map[count++] = static_cast<float>(-value);
    }
  }
  map[count++] = 0.0F;
  map[count++] = 1.0F;
  std::sort(map.begin(), map.end());
  return map;
}

}  // namespace lorry::ops
