#include "score/porter_stemmer.hpp"

#include <array>
#include <span>

#include "core/index.hpp"

namespace lorry::score {

namespace {

bool is_consonant(std::string_view word, std::size_t i) {
  switch (word[i]) {
    case 'a':
    case 'e':
    case 'i':
    case 'o':
    case 'u':
      return false;
    case 'y':
      return i == 0 || !is_consonant(word, i - 1);
    default:
      return true;
  }
}

/// m: how often a consonant follows a vowel.
Index measure(std::string_view stem) {
  Index count = 0;
  for (std::size_t i = 1; i < stem.size(); ++i) {
    if (is_consonant(stem, i) && !is_consonant(stem, i - 1)) ++count;
  }
  return count;
}

bool has_vowel(std::string_view stem) {
  for (std::size_t i = 0; i < stem.size(); ++i) {
    if (!is_consonant(stem, i)) return true;
  }
  return false;
}

bool ends_in_double_consonant(std::string_view word) {
  const std::size_t size = word.size();
  return size >= 2 && word[size - 1] == word[size - 2] && is_consonant(word, size - 1);
}

/// *o: consonant, vowel, consonant that is not w, x or y.
bool ends_in_short_syllable(std::string_view word) {
  const std::size_t size = word.size();
  if (size < 3) return false;
  const char last = word[size - 1];
  return is_consonant(word, size - 3) && !is_consonant(word, size - 2) && is_consonant(word, size - 1) &&
         last != 'w' && last != 'x' && last != 'y';
}

struct Rule {
  std::string_view ending;
  std::string_view replacement;
};

/// The first rule whose ending the word has replaces it, where what stays has a measure above `above`.
bool apply_first(std::span<const Rule> rules, Index above, std::string& word) {
  for (const Rule& rule : rules) {
    if (!word.ends_with(rule.ending)) continue;
    const std::string_view stem = std::string_view(word).substr(0, word.size() - rule.ending.size());
    if (rule.ending == "ion" && !stem.ends_with('s') && !stem.ends_with('t')) return true;
    if (measure(stem) > above) word = std::string(stem) + std::string(rule.replacement);
    return true;
  }
  return false;
}

/// Plurals.
void step_1a(std::string& word) {
  constexpr std::array<Rule, 4> kRules = {{{"sses", "ss"}, {"ies", "i"}, {"ss", "ss"}, {"s", ""}}};
  apply_first(kRules, -1, word);
}

/// -eed, -ed, -ing.
void step_1b(std::string& word) {
  constexpr std::array<Rule, 1> kAgreed = {{{"eed", "ee"}}};
  if (apply_first(kAgreed, 0, word)) return;
  const std::size_t ending = word.ends_with("ed") ? 2 : word.ends_with("ing") ? 3 : 0;
  if (ending == 0 || !has_vowel(std::string_view(word).substr(0, word.size() - ending))) return;
  word.erase(word.size() - ending);
  constexpr std::array<Rule, 3> kCompleted = {{{"at", "ate"}, {"bl", "ble"}, {"iz", "ize"}}};
  if (apply_first(kCompleted, -1, word)) return;
  if (ends_in_double_consonant(word)) {
    if (word.back() != 'l' && word.back() != 's' && word.back() != 'z') word.pop_back();
    return;
  }
  if (measure(word) == 1 && ends_in_short_syllable(word)) word += 'e';
}

void step_1c(std::string& word) {
  if (word.ends_with('y') && has_vowel(std::string_view(word).substr(0, word.size() - 1))) word.back() = 'i';
}

/// Double suffixes.
void step_2(std::string& word) {
  constexpr std::array<Rule, 21> kRules = {
      {{"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"}, {"anci", "ance"}, {"izer", "ize"},
       {"bli", "ble"},     {"alli", "al"},     {"entli", "ent"}, {"eli", "e"},     {"ousli", "ous"},
       {"ization", "ize"}, {"ation", "ate"},   {"ator", "ate"},  {"alism", "al"},  {"iveness", "ive"},
       {"fulness", "ful"}, {"ousness", "ous"}, {"aliti", "al"},  {"iviti", "ive"}, {"biliti", "ble"},
       {"logi", "log"}}};
  apply_first(kRules, 0, word);
}

void step_3(std::string& word) {
  constexpr std::array<Rule, 7> kRules = {{{"icate", "ic"},
                                           {"ative", ""},
                                           {"alize", "al"},
                                           {"iciti", "ic"},
                                           {"ical", "ic"},
                                           {"ful", ""},
                                           {"ness", ""}}};
  apply_first(kRules, 0, word);
}

void step_4(std::string& word) {
  constexpr std::array<Rule, 19> kRules = {{{"al", ""},
                                            {"ance", ""},
                                            {"ence", ""},
                                            {"er", ""},
                                            {"ic", ""},
                                            {"able", ""},
                                            {"ible", ""},
                                            {"ant", ""},
                                            {"ement", ""},
                                            {"ment", ""},
                                            {"ent", ""},
                                            {"ion", ""},
                                            {"ou", ""},
                                            {"ism", ""},
                                            {"ate", ""},
                                            {"iti", ""},
                                            {"ous", ""},
                                            {"ive", ""},
                                            {"ize", ""}}};
  apply_first(kRules, 1, word);
}

/// A last e or l.
void step_5(std::string& word) {
  if (word.ends_with('e')) {
    const std::string_view stem = std::string_view(word).substr(0, word.size() - 1);
    const Index m = measure(stem);
    if (m > 1 || (m == 1 && !ends_in_short_syllable(stem))) word.pop_back();
  }
  if (word.ends_with("ll") && measure(std::string_view(word).substr(0, word.size() - 1)) > 1) word.pop_back();
}

}  // namespace

std::string porter_stem(std::string_view word) {
  std::string stem(word);
  if (stem.size() <= 2) return stem;
  step_1a(stem);
  step_1b(stem);
  step_1c(stem);
  step_2(stem);
  step_3(stem);
  step_4(stem);
  step_5(stem);
  return stem;
}

}  // namespace lorry::score
