#pragma once

#include <cstdint>

namespace lorry::text {

// Two neighbouring token ids as one number. Ids are not negative, so no pair has all bits set.
inline std::uint64_t pair_key(std::int32_t left, std::int32_t right) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
         static_cast<std::uint32_t>(right);
}

}  // namespace lorry::text
