#include "data/prompt_groups.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace lorry::data {

Index rows_spared(Index documents, Index prompt_tokens) {
  if (documents < 2 || prompt_tokens < 2) return 0;
  return (documents - 1) * prompt_tokens + 1;
}

Index rows_spared(DocumentView documents) {
  std::vector<PromptKey> prompts;
  prompts.reserve(static_cast<std::size_t>(documents.size()));
  for (Index i = 0; i < documents.size(); ++i) prompts.push_back(documents.prompt_key(i));
  std::sort(prompts.begin(), prompts.end());
  Index spared = 0;
  for (auto first = prompts.begin(); first != prompts.end();) {
    const auto last = std::upper_bound(first, prompts.end(), *first);
    spared += rows_spared(last - first, first->tokens);
    first = last;
  }
  return spared;
}

GroupedOrder ungrouped(DocumentView documents, std::vector<Index> order) {
  GroupedOrder grouped{.order = std::move(order), .groups = {}};
  grouped.groups.reserve(grouped.order.size());
  for (Index i = 0; i < std::ssize(grouped.order); ++i) {
    const Index rows = documents.length(grouped.order[static_cast<std::size_t>(i)]);
    grouped.groups.push_back({.first = i, .count = 1, .rows = rows});
  }
  return grouped;
}

GroupedOrder group_by_prompt(DocumentView documents, std::span<const Index> order, Index capacity) {
  std::vector<std::vector<Index>> alike;
  std::map<PromptKey, std::size_t> places;  // in `alike`
  for (const Index document : order) {
    std::size_t place = alike.size();
    const PromptKey prompt = documents.prompt_key(document);
    if (rows_spared(2, prompt.tokens) > 0) place = places.emplace(prompt, place).first->second;
    if (place == alike.size()) alike.emplace_back();
    alike[place].push_back(document);
  }
  GroupedOrder grouped;
  grouped.order.reserve(order.size());
  for (const std::vector<Index>& some : alike) {
    const Index prompt = documents.prompt_key(some.front()).tokens;
    Index lengths = 0;
    for (const Index document : some) {
      const Index length = documents.length(document);
      if (lengths == 0 ||
          lengths + length - rows_spared(grouped.groups.back().count + 1, prompt) > capacity) {
        grouped.groups.push_back({.first = std::ssize(grouped.order), .count = 0, .rows = 0});
        lengths = 0;
      }
      DocumentGroup& group = grouped.groups.back();
      ++group.count;
      lengths += length;
      group.rows = lengths - rows_spared(group.count, prompt);
      grouped.order.push_back(document);
    }
  }
  return grouped;
}

}  // namespace lorry::data
