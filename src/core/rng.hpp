// core/rng.hpp: counter-based random numbers. A draw depends only on (seed, stream, counter), never on the
// order of calls or the number of threads, so that a mask can be drawn again in the backward pass and a run
// repeats bit for bit.
#pragma once
#include <array>
#include <cstdint>

#include "core/index.hpp"

namespace lorry {

/// Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): four words per counter.
std::array<std::uint32_t, 4> philox(std::uint64_t seed, std::uint64_t stream, std::uint64_t counter);

/// A sequence of draws from one (seed, stream). Copyable; its whole state is the three public numbers.
class Rng {
 public:
  explicit Rng(std::uint64_t seed, std::uint64_t stream = 0) : seed_(seed), stream_(stream) {}

  /// 32 uniform bits.
  std::uint32_t next_u32();
  /// Uniform in [0, 1) with 24 bits.
  float next_uniform();
  /// Uniform in [0, bound), without modulo bias; bound >= 1.
  Index next_below(Index bound);
  /// Standard normal (Box-Muller).
  float next_normal();

  [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }
  [[nodiscard]] std::uint64_t stream() const noexcept { return stream_; }
  [[nodiscard]] std::uint64_t draws() const noexcept { return draws_; }

 private:
  std::uint64_t seed_;
  std::uint64_t stream_;
  std::uint64_t draws_ = 0;
  std::array<std::uint32_t, 4> block_{};
};

}  // namespace lorry
