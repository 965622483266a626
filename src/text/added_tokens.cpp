#include "text/added_tokens.hpp"

#include <algorithm>

#include "text/unicode.hpp"
#include "text/utf8.hpp"

namespace lorry::text {

namespace {

AddedToken read_token(const JsonField& entry) {
  AddedToken token;
  token.content = entry.at("content").string();
  token.id = static_cast<std::int32_t>(entry.at("id").integer(0, kMaxTokenId));
  token.single_word = entry.boolean_or("single_word", false);
  token.lstrip = entry.boolean_or("lstrip", false);
  token.rstrip = entry.boolean_or("rstrip", false);
  token.special = entry.boolean_or("special", false);
  token.normalized = entry.boolean_or("normalized", !token.special);
  return token;
}

// Calls for every character from `at` backwards while `keep` holds; returns where it stopped.
template <class Keep>
Index scan_back(std::string_view text, Index at, Keep keep) {
  while (at > 0) {
    Index begin = at - 1;
    while (begin > 0 && (static_cast<unsigned char>(text[static_cast<std::size_t>(begin)]) & 0xC0) == 0x80)
      --begin;
    if (!keep(decode_utf8(text, begin).value)) break;
    at = begin;
  }
  return at;
}

Index skip_space(std::string_view text, Index at) {
  while (at < std::ssize(text)) {
    const CodePoint c = decode_utf8(text, at);
    if (!is_whitespace(c.value)) break;
    at += c.length;
  }
  return at;
}

bool is_inside_word(std::string_view text, Span span) {
  const auto is_word = [](char32_t c) { return is_word_character(c); };
  const bool before = scan_back(text, span.begin, is_word) != span.begin;
  return before || (span.end < std::ssize(text) && is_word_character(decode_utf8(text, span.end).value));
}

}  // namespace

void TokenFinder::add(const std::string& pattern, const AddedToken& token) {
  if (!patterns_.try_emplace(pattern, Flags{token.id, token.single_word, token.lstrip, token.rstrip}).second)
    return;
  auto& lengths = lengths_[static_cast<std::uint8_t>(pattern.front())];
  const auto place = std::lower_bound(lengths.begin(), lengths.end(), pattern.size(), std::greater<>());
  if (place == lengths.end() || *place != pattern.size()) lengths.insert(place, pattern.size());
}

std::optional<TokenFinder::Match> TokenFinder::find(std::string_view text, Index from) const {
  for (auto at = static_cast<std::size_t>(from); at < text.size(); ++at) {
    for (const std::size_t length : lengths_[static_cast<std::uint8_t>(text[at])]) {
      if (length > text.size() - at) continue;
      const auto entry = patterns_.find(text.substr(at, length));
      if (entry == patterns_.end()) continue;
      return Match{{static_cast<Index>(at), static_cast<Index>(at + length)}, &entry->second};
    }
  }
  return std::nullopt;
}

std::vector<Segment> TokenFinder::split(std::string_view text) const {
  std::vector<Segment> segments;
  Index covered = 0;
  if (!patterns_.empty()) {
    for (auto match = find(text, 0); match; match = find(text, match->span.end)) {
      Span span = match->span;
      if (match->token->single_word && is_inside_word(text, span)) continue;
      if (match->token->lstrip) span.begin = std::max(scan_back(text, span.begin, is_whitespace), covered);
      if (match->token->rstrip) span.end = skip_space(text, span.end);
      if (covered < span.begin) segments.push_back({{covered, span.begin}, std::nullopt});
      segments.push_back({span, match->token->id});
      covered = span.end;
    }
  }
  if (covered != std::ssize(text)) segments.push_back({{covered, std::ssize(text)}, std::nullopt});
  return segments;
}

AddedTokens::AddedTokens(const JsonField& field, const Vocabulary& vocabulary, const Normalizer& normalizer) {
  if (field.is_null()) return;
  for (Index i = 0; i < field.size(); ++i) {
    AddedToken token = read_token(field.element(i));
    if (token.content.empty()) continue;  // the peer drops them
    std::string form = token.normalized ? normalizer.apply(token.content).text : token.content;
    if (form.empty()) field.element(i).at("content").fail("something left after normalisation");
    (token.normalized ? normalized_ : raw_).add(form, token);
    tokens_.push_back(std::move(token));
    forms_.push_back(std::move(form));
  }
  check_ids(field, vocabulary);
}

void AddedTokens::check_ids(const JsonField& field, const Vocabulary& vocabulary) const {
  StringMap<std::int32_t> seen;
  auto next = static_cast<std::int32_t>(vocabulary.count());
  std::size_t kept = 0;
  for (Index i = 0; i < field.size(); ++i) {
    if (field.element(i).at("content").string().empty()) continue;
    const AddedToken& token = tokens_[kept++];
    const auto of_model = vocabulary.id(token.content);
    const auto repeated = seen.find(token.content);
    const std::int32_t expected = of_model ? *of_model : repeated != seen.end() ? repeated->second : next++;
    seen.emplace(token.content, expected);
    if (token.id != expected) {
      field.element(i).at("id").fail(std::to_string(expected) +
                                     ", the id this token gets in Hugging Face tokenizers");
    }
  }
}

}  // namespace lorry::text
