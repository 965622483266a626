#include "text/normalizer.hpp"

#include <algorithm>

#include "text/pre_tokenizer.hpp"  // read_pattern
#include "text/utf8.hpp"

namespace lorry::text {

namespace {

std::string strip(const std::string& text, bool left, bool right) {
  Index first = std::ssize(text);  // of the first and behind the last character that is not white space
  Index last = 0;
  for_each_code_point(text, [&](char32_t c, Index begin, Index end) {
    if (is_whitespace(c)) return;
    first = std::min(first, begin);
    last = end;
  });
  const Index begin = left ? first : 0;
  const Index end = right ? last : std::ssize(text);
  return begin < end ? text.substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin))
                     : "";
}

}  // namespace

std::string Replace::apply(std::string_view text) const {
  return apply(text, find_matches(matcher, text));
}

std::string Replace::apply(std::string_view text, const std::vector<Span>& matches) const {
  std::string out;
  out.reserve(text.size());
  std::size_t copied = 0;
  for (const Span& match : matches) {
    out += text.substr(copied, static_cast<std::size_t>(match.begin) - copied);
    out += content;
    copied = static_cast<std::size_t>(match.end);
  }
  out += text.substr(copied);
  return out;
}

Normalizer::Normalizer(const JsonField& field) {
  if (!field.is_null()) append(field, 0);
}

void Normalizer::append(const JsonField& field, int depth) {
  if (depth > kMaxNesting) field.fail_because("Sequences are nested too deeply");
  const std::string type = field.at("type").string();
  if (type == "Sequence") {
    const JsonField parts = field.at("normalizers");
    for (Index i = 0; i < parts.size(); ++i) append(parts.element(i), depth + 1);
  } else if (type == "Prepend") {
    steps_.emplace_back(Prepend{field.at("prepend").string()});
  } else if (type == "Replace") {
    steps_.emplace_back(Replace{read_pattern(field.at("pattern")), field.at("content").string()});
  } else if (type == "NFC") {
    steps_.emplace_back(NormalForm::kNfc);
  } else if (type == "NFD") {
    steps_.emplace_back(NormalForm::kNfd);
  } else if (type == "NFKC") {
    steps_.emplace_back(NormalForm::kNfkc);
  } else if (type == "NFKD") {
    steps_.emplace_back(NormalForm::kNfkd);
  } else if (type == "Lowercase") {
    steps_.emplace_back(Lowercase{});
  } else if (type == "Strip") {
    steps_.emplace_back(Strip{field.at("strip_left").boolean(), field.at("strip_right").boolean()});
  } else {
    field.at("type").fail("Sequence, Prepend, Replace, NFC, NFD, NFKC, NFKD, Lowercase or Strip");
  }
}

Normalized Normalizer::run_replace(const Replace& replace, const std::string& text) {
  const std::vector<Span> matches = find_matches(replace.matcher, text);
  const bool at_start = !matches.empty() && matches.front().begin == 0 && matches.front().end > 0;
  const bool moves =
      at_start && (replace.content.empty() || matches.front().end > decode_utf8(text, 0).length);
  return {replace.apply(text, matches), !moves};
}

Normalized Normalizer::run(const Step& step, const std::string& text) {
  if (const auto* prepend = std::get_if<Prepend>(&step)) return {text.empty() ? text : prepend->text + text};
  if (const auto* replace = std::get_if<Replace>(&step)) return run_replace(*replace, text);
  if (const auto* form = std::get_if<NormalForm>(&step)) return {normalize(text, *form)};
  if (const auto* ends = std::get_if<Strip>(&step)) {
    const bool moves = ends->left && !text.empty() && is_whitespace(decode_utf8(text, 0).value);
    return {strip(text, ends->left, ends->right), !moves};
  }
  return {to_lower(text)};
}

Normalized Normalizer::apply(std::string text) const {
  Normalized result{std::move(text)};
  for (const Step& step : steps_) {
    Normalized next = run(step, result.text);
    result = {std::move(next.text), result.keeps_start && next.keeps_start};
  }
  return result;
}

}  // namespace lorry::text
