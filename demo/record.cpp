#include "record.hpp"

#include <algorithm>
#include <cctype>

#include "core/error.hpp"

namespace lorry::demo {

std::string format_prompt(const Record& record) {
  std::string line;
  for (const std::string_view slot : kSlots) {
    const auto found = record.find(slot);
    if (found == record.end()) continue;
    if (!line.empty()) line += "; ";
    line += fmt::format("{} = {}", slot, found->second);
  }
  return line + "\n";
}

Record parse_prompt(std::string_view prompt, std::string_view where) {
  Record record;
  while (!prompt.empty() && prompt.back() == '\n') prompt.remove_suffix(1);
  while (!prompt.empty()) {
    const auto end = prompt.find("; ");
    const std::string_view pair = prompt.substr(0, end);
    prompt.remove_prefix(end == std::string_view::npos ? prompt.size() : end + 2);
    const auto equals = pair.find(" = ");
    const std::string_view slot = pair.substr(0, equals);
    if (equals == std::string_view::npos || std::find(kSlots.begin(), kSlots.end(), slot) == kSlots.end()) {
      throw Error("[score] {}: prompt: \"{}\"; expected SLOT = VALUE with a slot of the task", where, pair);
    }
    if (!record.emplace(slot, pair.substr(equals + 3)).second) {
      throw Error("[score] {}: prompt: slot \"{}\" is given twice", where, slot);
    }
  }
  if (!record.contains("boat")) throw Error("[score] {}: prompt: no slot \"boat\"", where);
  return record;
}

std::string shape_of(const Record& record) {
  std::string shape;
  for (const std::string_view slot : kSlots) {
    if (!record.contains(slot)) continue;
    if (!shape.empty()) shape += ' ';
    shape += slot;
  }
  return shape;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  bool possessive = false;
  for (const char c : std::string(text) + " ") {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || byte >= 0x80) {
      if (!possessive) word += c;
    } else if (c == '\'' && !word.empty()) {
      possessive = true;
    } else {
      if (!word.empty()) words.push_back(word);
      word.clear();
      possessive = false;
    }
  }
  return words;
}

std::string lower_case(std::string_view text) {
  std::string low(text);
  for (char& c : low) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return low;
}

}  // namespace lorry::demo
