#include "generate/repetition_penalty.hpp"

#include <algorithm>
#include <vector>

#include "core/check.hpp"

namespace lorry::generate {

void penalize_repetition(std::span<const std::int32_t> ids, float penalty, std::span<float> scores) {
  if (penalty == 1.0F) return;
  std::vector<std::int32_t> seen(ids.begin(), ids.end());
  std::sort(seen.begin(), seen.end());
  seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
  for (const std::int32_t id : seen) {
    LORRY_CHECK(id >= 0 && static_cast<std::size_t>(id) < scores.size());
    float& score = scores[static_cast<std::size_t>(id)];
    score = score < 0 ? score * penalty : score / penalty;
  }
}

}  // namespace lorry::generate
