#include "generate/likeliest.hpp"

#include <cmath>
#include <cstddef>

#include "core/check.hpp"
#include "core/error.hpp"

namespace lorry::generate {

std::int32_t find_likeliest(std::span<const float> logits) {
  LORRY_CHECK(!logits.empty());
  std::size_t best = 0;
  bool any_nan = false;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    any_nan = any_nan || std::isnan(logits[i]);
    if (logits[i] > logits[best]) best = i;
  }
  if (any_nan || !std::isfinite(logits[best])) {
    throw Error("[generate] logits: found {}; expected finite numbers: did training diverge?",
                any_nan ? "NaN" : "infinity");
  }
  return static_cast<std::int32_t>(best);
}

}  // namespace lorry::generate
