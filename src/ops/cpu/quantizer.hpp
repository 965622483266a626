// ops/cpu/quantizer.hpp: numbers in [-1, 1] to codes of a dynamic map and back.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

#include "ops/dynamic_map.hpp"

namespace lorry::ops::cpu {

/// The nearest code; in the middle of two, the lower one. Between two numbers whose upper 16 bits agree lies
/// at most one such middle, so that a table over these bits and one comparison suffice.
class Quantizer {
 public:
  explicit Quantizer(bool with_sign) : map_(dynamic_map(with_sign)) {
    for (std::size_t code = 0; code + 1 < kDynamicCodes; ++code) {
      middle_[code] = 0.5F * (map_[code] + map_[code + 1]);
    }
    middle_[kDynamicCodes - 1] = HUGE_VALF;
    for (std::size_t key = 0; key < lowest_.size(); ++key) {
      const bool negative = key >= lowest_.size() / 2;  // then the largest magnitude is the lowest number
      const std::uint32_t bits = static_cast<std::uint32_t>(key) << 16U | (negative ? 0xffffU : 0U);
      lowest_[key] = search(std::bit_cast<float>(bits));
    }
  }

  [[nodiscard]] float value(std::uint8_t code) const { return map_[code]; }
  /// A NaN has some code.
  [[nodiscard]] std::uint8_t code(float x) const {
    const std::uint8_t low = lowest_[std::bit_cast<std::uint32_t>(x) >> 16U];
    return static_cast<std::uint8_t>(low + (x > middle_[low] ? 1 : 0));
  }

 private:
  [[nodiscard]] std::uint8_t search(float x) const {
    if (std::isnan(x)) return 0;
    const auto found = std::lower_bound(middle_.begin(), middle_.end() - 1, x);
    return static_cast<std::uint8_t>(found - middle_.begin());
  }

  DynamicMap map_;
  DynamicMap middle_;  // [code]: of it and the next one; what is above has a higher code
  std::array<std::uint8_t, std::size_t{1} << 16U> lowest_;  // by the upper bits: of the lowest such number
};

/// Made at the first use: 64 KiB each.
inline const Quantizer& signed_quantizer() {
  static const Quantizer quantizer(true);
  return quantizer;
}
inline const Quantizer& unsigned_quantizer() {
  static const Quantizer quantizer(false);
  return quantizer;
}

}  // namespace lorry::ops::cpu
