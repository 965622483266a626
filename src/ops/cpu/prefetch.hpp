// ops/cpu/prefetch.hpp: asking for memory early.
#pragma once
#include <cstddef>

#include "core/index.hpp"

namespace lorry::ops::cpu {

/// To be called for every `bytes` of a long stream of weights that is read once: asks for as many that come
/// later. The hardware looks ahead by itself, but too little where few instructions go with a byte, and not
/// into the next page.
[[gnu::always_inline]] inline void prefetch_ahead(const void* from, Index bytes) {
  constexpr Index kAhead = 4096;
  constexpr Index kLine = 64;
  for (Index at = 0; at < bytes; at += kLine)
    __builtin_prefetch(static_cast<const std::byte*>(from) + kAhead + at);
}

}  // namespace lorry::ops::cpu
