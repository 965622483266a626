// tensor/scale_search.hpp: the scale, or scale and minimum, by which a few numbers lose least when they are
// rounded to small integers. For tensor/encode_k_blocks.cpp and encode_blocks.cpp alone.
//
// For given codes q the best scale is that of least squares; for a given scale the best codes are the
// nearest. A few scales around the one that just holds the largest number are tried, each improved by one
// step of the first kind, and the best is taken on from there. Sums run over lanes of a fixed number, so that
// every machine finds the same bits.
//
// Legend: x the numbers, q their codes; x ~ scale q, or x ~ scale q + minimum.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <span>

#include "core/index.hpp"

namespace lorry::scale_search {

inline constexpr Index kLanes = 8;
using Lanes [[gnu::vector_size(kLanes * sizeof(float))]] = float;

[[gnu::always_inline]] inline float sum_of(const Lanes& lanes) {
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

/// Rounds lanes of less than 2^22 to the nearest integers, halves to even.
[[gnu::always_inline]] inline void round_lanes(Lanes& lanes) {
  constexpr float kShift = 12582912.0F;  // 1.5 * 2^23: there the last digit counts ones
  lanes = (lanes + kShift) - kShift;
}

/// Over q = the nearest integer to x * inverse + shift from low to high.
struct Sums {
  float q = 0.0F;
  float qq = 0.0F;
  float xq = 0.0F;
};

template <Index N>
[[gnu::always_inline]] inline Sums sums_of(const float* x, float inverse, float shift, float low,
                                           float high) {
  static_assert(N % kLanes == 0);
  Lanes q_sum = {};
  Lanes qq_sum = {};
  Lanes xq_sum = {};
  for (Index i = 0; i < N; i += kLanes) {
    Lanes value;
    std::memcpy(&value, x + i, sizeof(value));
    Lanes q = value * inverse + shift;
    q = q < low ? (Lanes{} + low) : q;
    q = q > high ? (Lanes{} + high) : q;
    round_lanes(q);
    q_sum += q;
    qq_sum += q * q;
    xq_sum += value * q;
  }
  return {sum_of(q_sum), sum_of(qq_sum), sum_of(xq_sum)};
}

/// x ~ scale q with q from low < 0 to high > 0; the scale may be negative.
struct Signed {
  float scale = 0.0F;
  float weight = 0.0F;  // sum of q^2: what a change of the scale costs
};

/// `tries` are the codes, whole or not, that the number of largest magnitude is tried at.
template <Index N>
inline Signed search_signed(const float* x, float low, float high, std::span<const float> tries) {
  float top = 0.0F;
  for (Index i = 0; i < N; ++i) top = std::abs(x[i]) > std::abs(top) ? x[i] : top;
  if (top == 0.0F || !std::isfinite(1.0F / top)) return {};
  Signed best;
  float best_gain = 0.0F;  // how much less than the sum of x^2 the error is
  const auto take = [&](float inverse) {
    const Sums sums = sums_of<N>(x, inverse, 0.0F, low, high);
    if (sums.qq <= 0.0F) return false;
    const float gain = sums.xq / sums.qq * sums.xq;
    if (!(gain > best_gain)) return false;  // nor a NaN
    best_gain = gain;
    best = {sums.xq / sums.qq, sums.qq};
    return true;
  };
  for (const float at : tries) take(at / top);
  for (int step = 0; step < 4 && take(1.0F / best.scale); ++step) {
  }
  return best;
}

/// x ~ scale q - minimum with q from 0 to high; both at least 0.
struct Affine {
  float scale = 0.0F;
  float minimum = 0.0F;
};

template <Index N>
inline Affine search_affine(const float* x, float high, std::span<const float> tries) {
  float least = 0.0F;
  float most = x[0];
  Lanes x_sum = {};
  for (Index i = 0; i < N; i += kLanes) {
    Lanes value;
    std::memcpy(&value, x + i, sizeof(value));
    x_sum += value;
  }
  for (Index i = 0; i < N; ++i) {
    least = x[i] < least ? x[i] : least;
    most = x[i] > most ? x[i] : most;
  }
  const float sum = sum_of(x_sum);
  const float range = most - least;
  if (range <= 0.0F || !std::isfinite(1.0F / range)) return {0.0F, -least};
  Affine best = {range / high, -least};
  float best_gain = -1.0F;
  const auto take = [&](float scale, float minimum) {
    const float inverse = 1.0F / scale;
    const Sums s = sums_of<N>(x, inverse, minimum * inverse, 0.0F, high);
    constexpr auto kCount = static_cast<float>(N);
    const float determinant = kCount * s.qq - s.q * s.q;
    if (determinant <= 0.0F) return false;
    float slope = (kCount * s.xq - sum * s.q) / determinant;
    float offset = (s.qq * sum - s.q * s.xq) / determinant;
    if (offset > 0.0F) {
      offset = 0.0F;
      slope = s.xq / s.qq;
    }
    const float gain = 2.0F * (slope * s.xq + offset * sum) -
                       (slope * slope * s.qq + 2.0F * slope * offset * s.q + kCount * offset * offset);
    if (!(gain > best_gain) || slope <= 0.0F) return false;
    best_gain = gain;
    best = {slope, -offset};
    return true;
  };
  for (const float at : tries) take(range / at, -least);
  for (int step = 0; step < 4 && take(best.scale, best.minimum); ++step) {
  }
  return best;
}

/// The same for scales themselves, which have weights: x ~ scale q with whole q from low to high.
inline float search_weighted(std::span<const float> x, std::span<const float> weights, float low,
                             float high) {
  float top = 0.0F;
  for (const float value : x) top = std::abs(value) > std::abs(top) ? value : top;
  if (top == 0.0F || !std::isfinite(1.0F / top)) return 0.0F;
  const float full = low < 0.0F ? low : high;
  float best = top / full;
  float best_gain = 0.0F;
  for (int step = -8; step <= 8; ++step) {
    const float inverse = (full + 0.1F * static_cast<float>(step) * (full < 0 ? -1.0F : 1.0F)) / top;
    float xq = 0.0F;
    float qq = 0.0F;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float q = std::clamp(std::nearbyint(x[i] * inverse), low, high);
      xq += weights[i] * x[i] * q;
      qq += weights[i] * q * q;
    }
    if (qq > 0.0F && xq / qq * xq > best_gain) {
      best_gain = xq / qq * xq;
      best = xq / qq;
    }
  }
  return best;
}

}  // namespace lorry::scale_search
