#include "model/gguf_merges.hpp"

#include <algorithm>
#include <tuple>
#include <unordered_map>

namespace lorry::model {

namespace {

struct ScoredMerge {
  double score;
  Index left_length, right_length;  // characters
  Index left_id, right_id;
};

bool begins_character(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U;
}

Index characters_of(std::string_view text) {
  return std::count_if(text.begin(), text.end(), begins_character);
}

}  // namespace

std::vector<std::pair<std::string_view, std::string_view>> merges_by_score(
    const std::vector<std::string>& pieces, const std::vector<double>& scores,
    const std::vector<bool>& skip) {
  std::unordered_map<std::string_view, Index> ids;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (!skip[i]) ids.emplace(pieces[i], static_cast<Index>(i));
  }
  std::vector<ScoredMerge> merges;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (skip[i]) continue;
    const std::string_view piece = pieces[i];
    const auto first = static_cast<std::ptrdiff_t>(merges.size());
    for (std::size_t at = 1; at < piece.size(); ++at) {
      if (!begins_character(piece[at])) continue;
      const auto left = ids.find(piece.substr(0, at));
      if (left == ids.end()) continue;
      const auto right = ids.find(piece.substr(at));
      if (right == ids.end()) continue;
      merges.push_back(
          {scores[i], characters_of(left->first), characters_of(right->first), left->second, right->second});
    }
    std::sort(merges.begin() + first, merges.end(), [](const ScoredMerge& a, const ScoredMerge& b) {
      return std::tie(a.left_id, a.right_id) < std::tie(b.left_id, b.right_id);
    });
  }
  std::stable_sort(merges.begin(), merges.end(), [](const ScoredMerge& a, const ScoredMerge& b) {
    return std::tie(a.score, a.left_length, a.right_length) >
           std::tie(b.score, b.left_length, b.right_length);
  });
  std::vector<std::pair<std::string_view, std::string_view>> pairs;
  pairs.reserve(merges.size());
  for (const ScoredMerge& merge : merges) {
    pairs.emplace_back(pieces[static_cast<std::size_t>(merge.left_id)],
                       pieces[static_cast<std::size_t>(merge.right_id)]);
  }
  return pairs;
}

}  // namespace lorry::model
