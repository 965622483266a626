// ops/cpu/prefetch.hpp: asking for memory early.
#pragma once
#include <cstdint>

#include "core/index.hpp"

namespace lorry::ops::cpu {

/// To be called for every `bytes` of a long stream of weights that is read once: asks for as many that come
/// later, be they behind the end of it. The hardware looks ahead by itself, but too little where few
/// instructions go with a byte, and not into the next page.
[[gnu::always_inline]] inline void prefetch_ahead(const void* from, Index bytes) {
  constexpr std::uintptr_t kAhead = 4096;
  constexpr Index kLine = 64;
  const std::uintptr_t later = reinterpret_cast<std::uintptr_t>(from) + kAhead;  // no object's, maybe
  for (Index at = 0; at < bytes; at += kLine)
    __builtin_prefetch(reinterpret_cast<const void*>(later + static_cast<std::uintptr_t>(at)));
}

}  // namespace lorry::ops::cpu
