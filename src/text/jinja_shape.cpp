#include "text/jinja_shape.hpp"

#include <algorithm>
#include <vector>

namespace lorry::text {

namespace {

enum class Kind { kLiteral, kWord, kMark };

struct Token {
  Kind kind = Kind::kMark;
  std::string text;

  friend bool operator==(const Token&, const Token&) = default;
};

using JinjaTokens = std::vector<Token>;

const Token kPrint = {Kind::kMark, "print"};  // begins what is printed, by a tag or as it stands
const Token kRun = {Kind::kMark, "run"};      // begins a statement

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

/// Reads a string literal that begins at `at`; leaves `at` behind it.
std::string read_literal(std::string_view code, std::size_t& at) {
  const char quote = code[at++];
  std::string text;
  for (; at < code.size() && code[at] != quote; ++at) {
    if (code[at] != '\\' || at + 1 == code.size()) {
      text += code[at];
      continue;
    }
    const char escaped = code[++at];
    if (escaped == 'n') {
      text += '\n';
    } else if (escaped == 't') {
      text += '\t';
    } else if (escaped == '\\' || escaped == '\'' || escaped == '"') {
      text += escaped;
    } else {
      (text += '\\') += escaped;
    }
  }
  ++at;
  return text;
}

JinjaTokens read_code(std::string_view code) {
  JinjaTokens tokens;
  for (std::size_t at = 0; at < code.size();) {
    if (is_space(code[at])) {
      ++at;
    } else if (code[at] == '\'' || code[at] == '"') {
      tokens.push_back({Kind::kLiteral, read_literal(code, at)});
    } else if (is_word(code[at])) {
      const std::size_t begin = at;
      while (at < code.size() && is_word(code[at])) ++at;
      tokens.push_back({Kind::kWord, std::string(code.substr(begin, at - begin))});
    } else {
      tokens.push_back({Kind::kMark, std::string(1, code[at++])});
    }
  }
  return tokens;
}

bool matches(const JinjaTokens& tokens, std::size_t at, const JinjaTokens& pattern) {
  return at + pattern.size() <= tokens.size() &&
         std::equal(pattern.begin(), pattern.end(), tokens.begin() + static_cast<std::ptrdiff_t>(at));
}

Token mark(const char* text) {
  return {Kind::kMark, text};
}
Token word(const char* text) {
  return {Kind::kWord, text};
}

/// x['y'] as x.y, x.strip() as x | trim, nothing in raise_exception().
JinjaTokens with_one_spelling(const JinjaTokens& tokens) {
  static const JinjaTokens kStrip = {mark("."), word("strip"), mark("("), mark(")")};
  JinjaTokens result;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const bool subscript = matches(tokens, i, {mark("[")}) && i + 2 < tokens.size() &&
                           tokens[i + 1].kind == Kind::kLiteral && tokens[i + 2] == mark("]");
    if (subscript) {
      result.push_back(mark("."));
      result.push_back({Kind::kWord, tokens[i + 1].text});
      i += 2;
    } else if (matches(tokens, i, kStrip)) {
      result.push_back(mark("|"));
      result.push_back(word("trim"));
      i += 3;
    } else if (matches(tokens, i, {word("raise_exception"), mark("(")})) {
      result.push_back(tokens[i]);
      while (i + 1 < tokens.size() && tokens[i + 1] != mark(")")) ++i;
      ++i;
    } else {
      result.push_back(tokens[i]);
    }
  }
  return result;
}

/// Appends, joining a literal to one that it is added to.
void append(const Token& token, JinjaTokens& to) {
  const bool joins = token.kind == Kind::kLiteral && to.size() >= 2 && to.back() == mark("+") &&
                     to[to.size() - 2].kind == Kind::kLiteral;
  if (!joins) {
    to.push_back(token);
    return;
  }
  to.pop_back();
  to.back().text += token.text;
}

/// What is printed one after another is one sum, but for choices (`a if b else c`).
void append_printed(const JinjaTokens& tokens, JinjaTokens& to, bool& printing) {
  if (tokens.empty()) return;
  const bool sum = std::find(tokens.begin(), tokens.end(), word("if")) == tokens.end();
  to.push_back(printing && sum ? mark("+") : kPrint);
  for (const Token& token : tokens) append(token, to);
  printing = sum;
}

/// Where the next tag begins: "{{", "{%" or "{#".
std::size_t find_tag(std::string_view text) {
  for (std::size_t at = text.find('{'); at != std::string_view::npos; at = text.find('{', at + 1)) {
    if (at + 1 < text.size() && std::string_view("{%#").find(text[at + 1]) != std::string_view::npos)
      return at;
  }
  return text.size();
}

/// Where the tag that begins at 2 ends: at its closing brace's mark, outside literals.
std::size_t find_end(std::string_view tag, std::string_view closing) {
  for (std::size_t at = 2; at < tag.size();) {
    if (tag.substr(at).starts_with(closing)) return at;
    const bool literal = closing != "#}" && (tag[at] == '\'' || tag[at] == '"');
    if (literal) {
      read_literal(tag, at);
    } else {
      ++at;
    }
  }
  return tag.size();
}

/// How the tags on both sides of a raw text shorten it.
struct Edges {
  bool after_block = false;  // trim_blocks takes a line break
  bool strip_begin = false, strip_end = false;
  bool before_block = false;  // lstrip_blocks takes blanks at the start of the tag's line
};

std::string_view trimmed(std::string_view raw, const Edges& edges, bool at_start) {
  if (edges.strip_begin) {
    while (!raw.empty() && is_space(raw.front())) raw.remove_prefix(1);
  } else if (edges.after_block && raw.starts_with('\n')) {
    raw.remove_prefix(1);
    at_start = true;
  }
  if (edges.strip_end) {
    while (!raw.empty() && is_space(raw.back())) raw.remove_suffix(1);
  } else if (edges.before_block) {
    const std::size_t last = raw.find_last_not_of(" \t");
    const bool line_begins = last == std::string_view::npos ? at_start : raw[last] == '\n';
    if (line_begins) raw = raw.substr(0, last == std::string_view::npos ? 0 : last + 1);
  }
  return raw;
}

JinjaTokens read_template(std::string_view text) {
  JinjaTokens tokens;
  bool printing = false;
  Edges edges;
  for (bool at_start = true; !text.empty(); at_start = false) {
    const std::size_t tag = find_tag(text);
    const bool last = tag == text.size();
    const char kind = last ? '\0' : text[tag + 1];
    edges.before_block = kind == '%' || kind == '#';
    edges.strip_end = !last && tag + 2 < text.size() && text[tag + 2] == '-';
    std::string_view raw = trimmed(text.substr(0, tag), edges, at_start);
    if (last && raw.ends_with('\n')) raw.remove_suffix(1);  // keep_trailing_newline is off
    if (!raw.empty()) append_printed({{Kind::kLiteral, std::string(raw)}}, tokens, printing);
    text.remove_prefix(tag);
    if (last) break;
    const std::string_view closing = kind == '{' ? "}}" : kind == '%' ? "%}" : "#}";
    const std::size_t end = find_end(text, closing);
    std::string_view code = text.substr(2, end - std::min<std::size_t>(2, end));
    edges = {.after_block = kind != '{', .strip_begin = code.ends_with('-')};
    if (code.starts_with('-')) code.remove_prefix(1);
    if (code.ends_with('-')) code.remove_suffix(1);
    if (end == text.size()) tokens.push_back({Kind::kMark, "unclosed"});
    text.remove_prefix(std::min(text.size(), end + 2));
    if (kind == '{') {
      append_printed(with_one_spelling(read_code(code)), tokens, printing);
    } else if (kind == '%') {
      tokens.push_back(kRun);
      printing = false;
      for (const Token& token : with_one_spelling(read_code(code))) append(token, tokens);
    }
  }
  return tokens;
}

}  // namespace

std::string jinja_shape(std::string_view text) {
  static const JinjaTokens kDefined = read_template(
      "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}");
  JinjaTokens tokens = read_template(text);
  if (matches(tokens, 0, kDefined)) {
    tokens.erase(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(kDefined.size()));
  }
  std::string shape;
  for (const Token& token : tokens) {
    shape += static_cast<char>('0' + static_cast<int>(token.kind));
    shape += std::to_string(token.text.size()) + ":" + token.text;
  }
  return shape;
}

}  // namespace lorry::text
