#include "generate/no_repeat_ngram.hpp"

#include <algorithm>
#include <limits>

#include "core/check.hpp"

namespace lorry::generate {

void ban_repeated_ngrams(std::span<const std::int32_t> ids, Index n, std::span<float> scores) {
  if (n == 0) return;
  const auto size = static_cast<Index>(ids.size());
  const auto last = ids.end() - std::min(n - 1, size);  // the n-1 tokens that a banned one would follow
  for (Index first = 0; first + n <= size; ++first) {
    const auto run = ids.begin() + first;
    if (!std::equal(last, ids.end(), run)) continue;
    const std::int32_t id = run[n - 1];
    LORRY_CHECK(id >= 0 && static_cast<std::size_t>(id) < scores.size());
    scores[static_cast<std::size_t>(id)] = -std::numeric_limits<float>::infinity();
  }
}

}  // namespace lorry::generate
