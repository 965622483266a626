// The four steps are those of the script, each a pass over the line from left to right. They look at bytes:
// none but ASCII characters decide, and the bytes of others stay together.
#include "score/tokens_13a.hpp"

#include <utility>

#include "score/characters.hpp"

namespace lorry::score {

namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

/// ASCII punctuation but for apostrophe, comma, hyphen and period; space too.
bool stands_alone(char c) {
  const auto between = [c](char low, char high) { return c >= low && c <= high; };
  return between('{', '~') || between('[', '`') || between(' ', '&') || between('(', '+') ||
         between(':', '@') || c == '/';
}

bool is_stop(char c) {
  return c == '.' || c == ',';
}

std::string isolate_punctuation(std::string_view line) {
  std::string out;
  for (const char c : line) {
    if (stands_alone(c)) {
      out.append({' ', c, ' '});
    } else {
      out += c;
    }
  }
  return out;
}

/// Replaces each pair of neighbours that `matches`, none of them twice, by before + first + between + second
/// + after.
template <class Matches>
std::string space_pairs(std::string_view line, std::string_view before, std::string_view after,
                        Matches matches) {
  std::string out;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (i + 1 == line.size() || !matches(line[i], line[i + 1])) {
      out += line[i];
      continue;
    }
    out += before;
    out.append({line[i], ' ', line[i + 1]});
    out += after;
    ++i;
  }
  return out;
}

Words split(std::string_view line) {
  Words words;
  std::string word;
  for (const std::int32_t point : code_points(line)) {
    if (!is_space(point)) {
      append_utf8(point, word);
    } else if (!word.empty()) {
      words.push_back(std::exchange(word, {}));
    }
  }
  if (!word.empty()) words.push_back(word);
  return words;
}

}  // namespace

Words tokenize_13a(std::string_view line) {
  std::string text(line);
  replace_all(text, "<skipped>", "");
  replace_all(text, "&quot;", "\"");
  replace_all(text, "&amp;", "&");
  replace_all(text, "&lt;", "<");
  replace_all(text, "&gt;", ">");
  text = isolate_punctuation(" " + text + " ");
  text = space_pairs(text, "", " ", [](char a, char b) { return !is_digit(a) && is_stop(b); });
  text = space_pairs(text, " ", "", [](char a, char b) { return is_stop(a) && !is_digit(b); });
  text = space_pairs(text, "", " ", [](char a, char b) { return is_digit(a) && b == '-'; });
  return split(text);
}

}  // namespace lorry::score
