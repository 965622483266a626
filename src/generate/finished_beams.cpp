#include "generate/finished_beams.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace lorry::generate {

float FinishedBeams::score(float log_probability, Index length) const {
  const double divisor = std::pow(static_cast<double>(length), static_cast<double>(options_.length_penalty));
  return log_probability / static_cast<float>(divisor);
}

void FinishedBeams::add(std::vector<std::int32_t> ids, bool stopped, float log_probability, Index length) {
  const float final_score = score(log_probability, length);
  if (!std::isfinite(final_score)) return;  // a token that was banned
  const auto worse = std::find_if(beams_.begin(), beams_.end(),
                                  [&](const FinishedBeam& beam) { return beam.score < final_score; });
  beams_.insert(worse, {std::move(ids), stopped, final_score});
  if (static_cast<Index>(beams_.size()) > options_.num_beams) beams_.pop_back();
}

bool FinishedBeams::suffice(float log_probability, Index length) const {
  if (static_cast<Index>(beams_.size()) < options_.num_beams) return false;
  if (options_.early_stopping == EarlyStopping::kTrue) return true;
  const bool grows = options_.early_stopping == EarlyStopping::kNever && options_.length_penalty > 0;
  return score(log_probability, grows ? max_new_tokens_ : length) <= beams_.back().score;
}

}  // namespace lorry::generate
