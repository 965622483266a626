// generate/likeliest.hpp: the largest of a row of logits, which are checked on the way.
#pragma once
#include <cstdint>
#include <span>

namespace lorry::generate {

/// The largest logit's token, of equal ones the lowest. Logits may be -infinity. Throws Error if one is NaN
/// or +infinity, or all are -infinity.
std::int32_t find_likeliest(std::span<const float> logits);

}  // namespace lorry::generate
