#include "scoring.hpp"

#include <algorithm>
#include <cctype>
#include <optional>
#include <set>

namespace lorry::demo {

namespace {

/// A text cut into words, with what the rules ask about each.
struct Word {
  std::string text;
  std::string low;
  bool opens_sentence = false;
  bool in_name = false;  // part of a given name's occurrence
};

using Words = std::vector<Word>;
using List = std::set<std::string_view>;

const List& place_prepositions() {
  static const List kWords = {"in", "at", "from"};
  return kWords;
}

/// Words that say a slot is spoken of, whatever the value.
const std::map<std::string_view, List>& slot_words() {
  static const std::map<std::string_view, List> kWords = {
      {"harbour", {"harbour", "moored", "lies", "home", "comes", "port", "quay"}},
      {"skipper", {"skipper", "sailed", "captain", "owner", "owned"}},
      {"berths", {"berth", "berths", "sleep", "sleeps", "people", "room", "bunks"}},
      {"built", {"built", "launched", "dates", "year", "building"}},
      {"engine", {"engine", "engines", "motor"}},
      {"hull", {"hull", "painted"}}};
  return kWords;
}

/// Capitalised openers that the task's phrasings use.
const List& openers() {
  static const List kWords = {"the",  "this",   "a",       "an",     "there", "here",  "if",       "meet",
                              "look", "she",    "her",     "you",    "up",    "built", "launched", "moored",
                              "with", "sailed", "without", "fitted", "it",    "in",    "at"};
  return kWords;
}

/// Every other word that a text may use. What is said in other words is taken for invented: the record has no
/// dog.
const List& common_words() {
  static const List kWords = {
      "a",     "about", "all",   "also",  "an",      "and",    "are",  "as",   "ask",  "at",     "be",
      "board", "boat",  "boats", "but",   "by",      "called", "can",  "does", "find", "fitted", "for",
      "from",  "goes",  "had",   "has",   "have",    "her",    "here", "if",   "in",   "is",     "it",
      "its",   "look",  "meet",  "named", "never",   "no",     "not",  "of",   "on",   "one",    "out",
      "sail",  "sails", "she",   "that",  "the",     "there",  "this", "to",   "up",   "want",   "was",
      "which", "who",   "will",  "with",  "without", "year",   "you"};
  return kWords;
}

const List& denials() {
  static const List kWords = {"no", "not", "without", "never", "lacks"};
  return kWords;
}

bool is_slot_word(std::string_view word) {
  return std::any_of(slot_words().begin(), slot_words().end(),
                     [&](const auto& entry) { return entry.second.contains(word); });
}

Words split_words(std::string_view text) {
  Words words;
  bool opens = true;
  std::string current;
  const auto flush = [&] {
    if (current.empty()) return;
    words.push_back({current, lower_case(current), opens, false});
    current.clear();
    opens = false;
  };
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || byte >= 0x80 || c == '\'') {
      current += c;
    } else {
      flush();
      if (c == '.' || c == '!' || c == '?' || c == '\n') opens = true;
    }
  }
  flush();
  return words;
}

/// Where `name`'s words stand one after another.
std::vector<std::size_t> occurrences(const Words& words, const std::vector<std::string>& name) {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i + name.size() <= words.size() && !name.empty(); ++i) {
    const auto same = [](const std::string& part, const Word& word) { return part == word.text; };
    if (std::equal(name.begin(), name.end(), words.begin() + static_cast<Index>(i), same)) found.push_back(i);
  }
  return found;
}

template <class Values>
bool holds(const Values& values, std::string_view word) {
  return std::find(values.begin(), values.end(), word) != values.end();
}

bool is_number(const std::string& word) {
  return std::all_of(word.begin(), word.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
}

/// Value of a number word or of digits; "one" is left out, since it is also a pronoun.
std::optional<Index> number_of(const Word& word) {
  if (is_number(word.text)) return word.text.size() <= 9 ? std::stol(word.text) : Index{-1};
  for (std::size_t value = 2; value < kNumberWords.size(); ++value) {
    if (word.low == kNumberWords[value]) return static_cast<Index>(value);
  }
  return std::nullopt;
}

class Judge {
 public:
  Judge(const Record& record, std::string_view text)
      : record_(record), text_(text.substr(0, text.find_last_not_of(" \n") + 1)), words_(split_words(text)) {}

  Verdict verdict() {
    for (const std::string_view slot : kOpenSlots) judge_name(slot);
    judge_list("kind", kKinds);
    judge_list("hull", kHulls);
    judge_numbers();
    judge_engine();
    judge_denials();
    for (const auto& [slot, list] : slot_words()) {
      if (record_.contains(slot)) continue;
      for (const Word& word : words_) {
        if (!word.in_name && list.contains(word.low)) invent(slot, word.text);
      }
    }
    for (const Word& word : words_) {
      const bool capital = std::isupper(static_cast<unsigned char>(word.text[0])) != 0;
      const bool opener = word.opens_sentence && (openers().contains(word.low) || number_of(word));
      if (word.in_name) continue;
      if (capital && !opener) {
        invent("name", word.text);
      } else if (!number_of(word) && !is_known(word.low)) {
        invent("word", word.text);
      }
    }
    judge_form();
    return verdict_;
  }

 private:
  void invent(std::string_view what, const std::string& word) {
    verdict_.invented.push_back(std::string(what) + " \"" + word + "\"");
  }

  static bool is_known(std::string_view word) {
    return common_words().contains(word) || openers().contains(word) || is_slot_word(word) ||
           holds(kKinds, word) || holds(kHulls, word);
  }

  /// A text is made of whole sentences: a copy of the record's line is none, nor is one cut short.
  void judge_form() {
    if (const auto mark = text_.find_first_of("=|{}[]<>_"); mark != std::string_view::npos) {
      invent("mark", std::string(1, text_[mark]));
    }
    require("full stop", text_.ends_with('.'));
  }

  void require(std::string_view slot, bool realised) {
    if (!realised) verdict_.missing.emplace_back(slot);
  }

  std::string_view before(std::size_t i) const { return i == 0 ? std::string_view{} : words_[i - 1].low; }
  std::string_view after(std::size_t i) const {
    return i + 1 >= words_.size() ? std::string_view{} : words_[i + 1].low;
  }

  void judge_name(std::string_view slot) {
    const auto given = record_.find(slot);
    if (given == record_.end()) return;
    const std::vector<std::string> name = words_of(given->second);
    bool realised = false;
    for (const std::size_t at : occurrences(words_, name)) {
      for (std::size_t i = at; i < at + name.size(); ++i) words_[i].in_name = true;
      if (fits(slot, at)) {
        realised = true;
      } else {
        invent("place of " + std::string(slot), given->second);
      }
    }
    require(slot, realised);
  }

  /// True when the name at `at` stands where that slot's names do.
  bool fits(std::string_view slot, std::size_t at) const {
    const bool place = place_prepositions().contains(before(at));
    if (slot == "harbour") return place || before(at) == "harbour";
    const bool person = before(at) == "by" || before(at) == "skipper";
    if (slot == "boat") return !place && !person;
    return !place && before(at) != "the";
  }

  template <class Values>
  void judge_list(std::string_view slot, const Values& values) {
    const auto given = record_.find(slot);
    bool realised = false;
    for (const Word& word : words_) {
      if (word.in_name || !holds(values, word.low)) continue;
      const bool same = given != record_.end() && word.low == given->second;
      realised = realised || same;
      if (!same) invent(slot, word.text);
    }
    if (given != record_.end()) require(slot, realised);
  }

  /// Numbers above kMaxBerths are years. Each must be the given value, and in its own place.
  void judge_numbers() {
    const auto berths = record_.find("berths");
    const auto built = record_.find("built");
    bool slept = false;
    bool dated = false;
    for (std::size_t i = 0; i < words_.size(); ++i) {
      const std::optional<Index> number = words_[i].in_name ? std::nullopt : number_of(words_[i]);
      if (!number) continue;
      static const List kBefore = {"sleeps", "for"};
      static const List kAfter = {"berths", "people"};
      static const List kYear = {"in", "from", "is"};
      if (berths != record_.end() && std::to_string(*number) == berths->second &&
          (kBefore.contains(before(i)) || kAfter.contains(after(i)))) {
        slept = true;
      } else if (built != record_.end() && words_[i].text == built->second && kYear.contains(before(i))) {
        dated = true;
      } else {
        invent("number", words_[i].text);
      }
    }
    if (berths != record_.end()) require("berths", slept);
    if (built != record_.end()) require("built", dated);
  }

  /// "no engine", "without an engine", "does not have an engine", "never had an engine"
  void judge_engine() {
    const auto given = record_.find("engine");
    if (given == record_.end()) return;
    bool realised = false;
    for (std::size_t i = 0; i < words_.size(); ++i) {
      if (!is_engine(words_[i])) continue;
      bool denied = false;
      for (std::size_t back = 1; back <= kReach && back <= i; ++back) {
        const Word& word = words_[i - back];
        if (ends_denial(word)) break;
        denied = denied || denials().contains(word.low);
        if (word.opens_sentence) break;
      }
      if (denied == (given->second == "no")) {
        realised = true;
      } else {
        invent("engine", denied ? "no" : "yes");
      }
    }
    require("engine", realised);
  }

  /// Nothing but an engine can be denied: "not a red ketch" says something else than the record.
  void judge_denials() {
    for (std::size_t i = 0; i < words_.size(); ++i) {
      if (words_[i].in_name || !denials().contains(words_[i].low)) continue;
      bool of_engine = false;
      for (std::size_t ahead = i + 1; ahead <= i + kReach && ahead < words_.size() && !of_engine; ++ahead) {
        if (ends_denial(words_[ahead]) || words_[ahead].opens_sentence) break;
        of_engine = is_engine(words_[ahead]);
      }
      if (!of_engine) invent("denial", words_[i].text);
    }
  }

  static constexpr std::size_t kReach = 4;  // words between a denial and what it denies

  static bool is_engine(const Word& word) {
    return !word.in_name && slot_words().at("engine").contains(word.low);
  }
  static bool ends_denial(const Word& word) { return word.low == "and" || word.low == "but"; }

  const Record& record_;
  std::string_view text_;
  Words words_;
  Verdict verdict_;
};

}  // namespace

Verdict judge(const Record& record, std::string_view text) {
  return Judge(record, text).verdict();
}

void Seen::add(const Record& record) {
  for (const std::string_view slot : kOpenSlots) {
    if (const auto found = record.find(slot); found != record.end()) names[found->second] = true;
  }
  shapes[shape_of(record)] = true;
}

void tally(Score& score, const Record& record, const Verdict& verdict, const Seen& seen) {
  Index known = 0;
  Index names = 0;
  for (const std::string_view slot : kOpenSlots) {
    const auto found = record.find(slot);
    if (found == record.end()) continue;
    ++names;
    known += seen.names.contains(found->second) ? 1 : 0;
  }
  std::vector<std::string> groups = {
      "all", seen.shapes.contains(shape_of(record)) ? "seen slot sets" : "unseen slot sets"};
  groups.emplace_back(known == 0 ? "unseen names" : known == names ? "seen names" : "mixed names");
  for (const std::string& name : groups) {
    Tally& group = score.groups[name];
    ++group.records;
    group.right += verdict.right() ? 1 : 0;
    group.invented += verdict.invented.empty() ? 0 : 1;
  }
  for (const auto& [slot, value] : record) {
    SlotTally& one = score.slots[slot];
    ++one.given;
    one.realised += holds(verdict.missing, slot) ? 0 : 1;
  }
}

}  // namespace lorry::demo
