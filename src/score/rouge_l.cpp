#include "score/rouge_l.hpp"

#include <algorithm>

#include "core/index.hpp"

namespace lorry::score {

namespace {

Index longest_common_subsequence(const Words& a, const Words& b) {
  std::vector<Index> row(b.size() + 1, 0);  // of a's words so far with b's first j
  for (const std::string& word : a) {
    Index diagonal = 0;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const Index above = row[j + 1];
      row[j + 1] = word == b[j] ? diagonal + 1 : std::max(above, row[j]);
      diagonal = above;
    }
  }
  return row.back();
}

double rouge_l(const WordInstance& instance) {
  constexpr double kBeta2 = 1.2 * 1.2;
  double precision = 0;
  double recall = 0;
  for (const Words& reference : instance.references) {
    if (instance.hypothesis.empty() || reference.empty()) continue;
    const auto common = static_cast<double>(longest_common_subsequence(instance.hypothesis, reference));
    precision = std::max(precision, common / static_cast<double>(instance.hypothesis.size()));
    recall = std::max(recall, common / static_cast<double>(reference.size()));
  }
  if (precision == 0 || recall == 0) return 0;
  return (1 + kBeta2) * precision * recall / (recall + kBeta2 * precision);
}

}  // namespace

double mean_rouge_l(std::span<const WordInstance> instances) {
  double sum = 0;
  for (const WordInstance& instance : instances) sum += rouge_l(instance);
  return sum / static_cast<double>(instances.size());
}

}  // namespace lorry::score
