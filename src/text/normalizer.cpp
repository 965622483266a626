#include "text/normalizer.hpp"

#include <algorithm>

#include "text/pre_tokenizer.hpp"  // read_pattern
#include "text/utf8.hpp"

namespace lorry::text {

namespace {

constexpr int kMaxDepth = 16;  // nested Sequences; files have one level

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
  std::string out;
  out.reserve(text.size());
  std::size_t copied = 0;
  for (const Span& match : find_matches(matcher, text)) {
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
  if (depth > kMaxDepth) field.fail_because("Sequences are nested too deeply");
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

std::string Normalizer::run(const Step& step, std::string text) {
  if (const auto* prepend = std::get_if<Prepend>(&step)) return text.empty() ? text : prepend->text + text;
  if (const auto* replace = std::get_if<Replace>(&step)) return replace->apply(text);
  if (const auto* form = std::get_if<NormalForm>(&step)) return normalize(text, *form);
  if (const auto* ends = std::get_if<Strip>(&step)) return strip(text, ends->left, ends->right);
  return to_lower(text);
}

std::string Normalizer::apply(std::string text) const {
  for (const Step& step : steps_) text = run(step, std::move(text));
  return text;
}

}  // namespace lorry::text
