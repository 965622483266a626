#include "score/meteor.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <unordered_map>

#include "core/index.hpp"
#include "score/porter_stemmer.hpp"

namespace lorry::score {

namespace {

constexpr double kAlpha = 0.9;  // weight of precision in the denominator
constexpr double kGamma = 0.5;  // largest penalty
constexpr double kBeta = 3;     // its power of the fragmentation

/// For each word of the hypothesis the place of the reference's word it is matched with.
using Alignment = std::vector<std::optional<std::size_t>>;

/// Matches equal words among those that have no partner.
void match(const Words& hypothesis, const Words& reference, Alignment& alignment) {
  std::vector<bool> taken(reference.size(), false);
  for (const auto& partner : alignment) {
    if (partner) taken[*partner] = true;
  }
  std::unordered_map<std::string, std::vector<std::size_t>> places;  // the last one is matched next
  for (std::size_t j = 0; j < reference.size(); ++j) {
    if (!taken[j]) places[reference[j]].push_back(j);
  }
  for (std::size_t i = hypothesis.size(); i-- > 0;) {
    if (alignment[i]) continue;
    const auto found = places.find(hypothesis[i]);
    if (found == places.end() || found->second.empty()) continue;
    alignment[i] = found->second.back();
    found->second.pop_back();
  }
}

Words stems_of(const Words& words) {
  Words stems;
  stems.reserve(words.size());
  for (const std::string& word : words) stems.push_back(porter_stem(word));
  return stems;
}

}  // namespace

double meteor(const Words& hypothesis, const Words& reference) {
  Alignment alignment(hypothesis.size());
  match(hypothesis, reference, alignment);
  match(stems_of(hypothesis), stems_of(reference), alignment);
  Index matches = 0;
  Index chunks = 0;
  for (std::size_t i = 0; i < alignment.size(); ++i) {
    if (!alignment[i]) continue;
    ++matches;
    const bool goes_on = i > 0 && alignment[i - 1] && *alignment[i - 1] + 1 == *alignment[i];
    if (!goes_on) ++chunks;
  }
  if (matches == 0) return 0;
  const auto count = static_cast<double>(matches);
  const double precision = count / static_cast<double>(hypothesis.size());
  const double recall = count / static_cast<double>(reference.size());
  const double mean = precision * recall / (kAlpha * precision + (1 - kAlpha) * recall);
  return mean * (1 - kGamma * std::pow(static_cast<double>(chunks) / count, kBeta));
}

double mean_meteor(std::span<const WordInstance> instances) {
  double sum = 0;
  for (const WordInstance& instance : instances) {
    double best = 0;
    for (const Words& reference : instance.references) {
      best = std::max(best, meteor(instance.hypothesis, reference));
    }
    sum += best;
  }
  return sum / static_cast<double>(instances.size());
}

}  // namespace lorry::score
