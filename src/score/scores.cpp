#include "score/scores.hpp"

#include "core/check.hpp"
#include "score/caption_words.hpp"
#include "score/characters.hpp"
#include "score/cider.hpp"
#include "score/meteor.hpp"
#include "score/rouge_l.hpp"

namespace lorry::score {

namespace {

template <class Cut>
std::vector<WordInstance> in_words(std::span<const Instance> instances, Cut cut) {
  std::vector<WordInstance> words;
  words.reserve(instances.size());
  for (const Instance& instance : instances) {
    WordInstance& added = words.emplace_back();
    added.hypothesis = cut(instance.hypothesis);
    for (const std::string& reference : instance.references) added.references.push_back(cut(reference));
  }
  return words;
}

}  // namespace

Scores score_all(std::span<const Instance> instances, bool case_sensitive) {
  LORRY_CHECK(!instances.empty());
  Scores scores;
  scores.instances = static_cast<Index>(instances.size());
  for (const Instance& instance : instances) {
    LORRY_CHECK(!instance.references.empty());
    scores.references += static_cast<Index>(instance.references.size());
  }
  const std::vector<WordInstance> mteval = in_words(instances, [&](const std::string& text) {
    return tokenize_13a(case_sensitive ? text : lowercase(text));
  });
  scores.bleu = corpus_bleu(mteval);
  scores.nist = corpus_nist(mteval);
  const std::vector<WordInstance> caption = in_words(instances, caption_words);
  scores.meteor = mean_meteor(caption);
  scores.rouge_l = mean_rouge_l(caption);
  scores.cider = mean_cider(caption);
  return scores;
}

}  // namespace lorry::score
