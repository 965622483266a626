#include "core/rng.hpp"

#include <cmath>
#include <numbers>

#include "core/check.hpp"

namespace lorry {

std::array<std::uint32_t, 4> philox(std::uint64_t seed, std::uint64_t stream, std::uint64_t counter) {
  constexpr std::uint64_t kMultiplier0 = 0xD2511F53;
  constexpr std::uint64_t kMultiplier1 = 0xCD9E8D57;
  std::array<std::uint32_t, 4> c = {
      static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32),
      static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(stream >> 32)};
  auto key0 = static_cast<std::uint32_t>(seed);
  auto key1 = static_cast<std::uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = kMultiplier0 * c[0];
    const std::uint64_t product1 = kMultiplier1 * c[2];
    c = {static_cast<std::uint32_t>(product1 >> 32) ^ c[1] ^ key0, static_cast<std::uint32_t>(product1),
         static_cast<std::uint32_t>(product0 >> 32) ^ c[3] ^ key1, static_cast<std::uint32_t>(product0)};
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return c;
}

std::uint32_t Rng::next_u32() {
  const auto lane = static_cast<std::size_t>(draws_ % 4);
  if (lane == 0) block_ = philox(seed_, stream_, draws_ / 4);
  ++draws_;
  return block_[lane];
}

float Rng::next_uniform() {
  return static_cast<float>(next_u32() >> 8) * 0x1p-24F;
}

Index Rng::next_below(Index bound) {
  LORRY_CHECK(bound >= 1);
  const auto range = static_cast<std::uint64_t>(bound);
  const std::uint64_t limit = (UINT64_MAX / range) * range;
  for (;;) {
    const std::uint64_t high = next_u32();
    const std::uint64_t draw = (high << 32) | next_u32();
    if (draw < limit) return static_cast<Index>(draw % range);
  }
}

float Rng::next_normal() {
  // 1 - u lies in (0, 1], so the logarithm is finite.
  const double radius = std::sqrt(-2.0 * std::log(1.0 - static_cast<double>(next_uniform())));
  const double angle = 2.0 * std::numbers::pi * static_cast<double>(next_uniform());
  return static_cast<float>(radius * std::cos(angle));
}

}  // namespace lorry
