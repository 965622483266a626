#include "realise.hpp"

#include <algorithm>
#include <sstream>
#include <utility>
#include <vector>

#include "core/check.hpp"

namespace lorry::demo {

namespace {

/// "a", "a and b", "a, b and c".
std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) text += i + 1 == parts.size() ? " and " : ", ";
    text += parts[i];
  }
  return text;
}

/// Writes one record: slots wait in `left_`, in the record's order, until a sentence of the plan takes them.
class Writer {
 public:
  Writer(const Grammar& grammar, const Record& record, Rng& rng)
      : grammar_(grammar), record_(record), expansion_(grammar, rng) {
    for (const auto& [slot, value] : record) expansion_.bind(slot, {{"name", value}});
  }

  std::string write() {
    const std::string plan = expansion_.expand("{plan}");
    const bool noun_phrase = !plan.starts_with("does");
    for (const auto& [slot, value] : record_) {
      const bool in_noun_phrase = noun_phrase && (slot == "kind" || slot == "hull");
      if (slot != "boat" && !in_noun_phrase) left_.push_back(slot);
    }
    std::stringstream words(plan);
    std::vector<std::string> sentence;
    for (std::string word; words >> word;) {
      if (word != ".") {
        sentence.push_back(word);
        continue;
      }
      say(sentence);
      sentence.clear();
    }
    say(sentence);
    while (!left_.empty()) say({left_.size() > 1 ? "she" : "own", "vp", "vp"});
    return finish_text(text_);
  }

 private:
  /// The first waiting slot that `form` can express, as its text; empty when there is none.
  std::string take(const std::string& form) {
    for (auto slot = left_.begin(); slot != left_.end(); ++slot) {
      const std::string rule = form + "_" + (*slot == "engine" ? "engine_" + record_.at("engine") : *slot);
      if (grammar_.rule(rule) == nullptr) continue;
      left_.erase(slot);
      return expansion_.expand("{" + rule + "}");
    }
    return {};
  }

  std::string noun_phrase() {
    std::string rule = "np";
    for (const char* slot : {"hull", "kind"}) {
      if (record_.contains(slot)) rule += std::string("_") + slot;
    }
    return expansion_.expand("{" + rule + "}");
  }

  void say(const std::vector<std::string>& words) {
    std::string before;
    std::string head;
    std::vector<std::string> behind;
    std::vector<std::string> predicates;
    for (const std::string& word : words) {
      if (word == "pre") {
        before = take("pre");
      } else if (word == "pp" || word == "vp") {
        const std::string phrase = take(word);
        if (!phrase.empty()) (word == "pp" ? behind : predicates).push_back(phrase);
      } else {
        head = word;
      }
    }
    std::string sentence;
    if (head == "own") {
      sentence = predicates.empty() ? take("own") : expansion_.expand("{she} ") + joined(predicates);
    } else if (head == "she") {
      if (!predicates.empty()) sentence = expansion_.expand("{she} ") + joined(predicates);
    } else {
      // The openings that stand on a predicate need one.
      if (predicates.empty() && (head == "called" || head == "comma" || head == "does")) head = "is";
      expansion_.bind("np", {{"name", noun_phrase()}});
      expansion_.bind("pps", {{"name", behind.empty() ? "" : " " + joined(behind)}});
      expansion_.bind("vps", {{"name", joined(predicates)}});
      sentence = expansion_.expand("{open_" + head + "}");
    }
    if (sentence.empty()) return;
    if (!before.empty() && sentence.starts_with("The ")) sentence[0] = 't';
    text_ += (text_.empty() ? "" : " ") + (before.empty() ? "" : before + ", ") + sentence + ".";
  }

  const Grammar& grammar_;
  const Record& record_;
  Expansion expansion_;
  std::vector<std::string> left_;
  std::string text_;
};

}  // namespace

std::string realise(const Grammar& grammar, const Record& record, Rng& rng) {
  LORRY_CHECK(record.contains("boat"));
  return Writer(grammar, record, rng).write();
}

}  // namespace lorry::demo
