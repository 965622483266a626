#include "text/pre_tokenizer.hpp"

#include "core/error.hpp"
#include "text/byte_alphabet.hpp"
#include "text/unicode.hpp"
#include "text/utf8.hpp"

namespace lorry::text {

namespace {

// Whitespace comes from another engine, whose \w has the two joiners.
constexpr std::string_view kWordPattern = R"([\w\x{200c}\x{200d}]+|[^\w\x{200c}\x{200d}\s]+)";

// Rewrites every piece by `write(piece, out)`.
template <class Write>
void rewrite(Pieces& pieces, Write write) {
  std::string text;
  text.reserve(2 * pieces.text.size());
  for (Span& span : pieces.spans) {
    const auto begin = std::ssize(text);
    write(pieces.view(span), text);
    span = {begin, std::ssize(text)};
  }
  pieces.text = std::move(text);
}

SplitBehavior read_behavior(const JsonField& field) {
  const std::string name = field.string();
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  field.fail("Isolated, Removed, MergedWithPrevious, MergedWithNext or Contiguous");
}

}  // namespace

void ByteLevelMap::apply(Pieces& pieces) const {
  rewrite(pieces, [](std::string_view piece, std::string& out) { append_byte_chars(out, piece); });
}

void PrefixSpace::apply(Pieces& pieces) const {
  rewrite(pieces, [](std::string_view piece, std::string& out) {
    if (!piece.starts_with(' ')) out += ' ';
    out += piece;
  });
}

void Metaspace::apply(Pieces& pieces) const {
  bool first = pieces.at_start;
  rewrite(pieces, [&](std::string_view piece, std::string& out) {
    const bool has_one = piece.starts_with(' ') || piece.starts_with(replacement);
    if (!has_one && (prepend == Prepend::kAlways || (prepend == Prepend::kFirst && first)))
      out += replacement;
    for (const char c : piece) {
      if (c == ' ') {
        out += replacement;
      } else {
        out += c;
      }
    }
    first = false;
  });
  if (cut) Split{replacement, SplitBehavior::kMergedWithNext, false}.apply(pieces);
}

Matcher read_pattern(const JsonField& field) {
  if (field.has("String")) {
    std::string literal = field.at("String").string();
    if (literal.empty()) field.at("String").fail("at least one character");
    return literal;
  }
  const JsonField pattern = field.at("Regex");
  try {
    return Regex(pattern.string());
  } catch (const Error& error) {
    pattern.fail_because(error.what());
  }
}

Metaspace read_metaspace(const JsonField& field) {
  Metaspace step;
  step.replacement = field.at("replacement").string();
  if (step.replacement.empty() || decode_utf8(step.replacement, 0).length != std::ssize(step.replacement)) {
    field.at("replacement").fail("one character");
  }
  const std::string scheme = field.string_or("prepend_scheme", "always");
  if (scheme == "always") {
    step.prepend = Metaspace::Prepend::kAlways;
  } else if (scheme == "first") {
    step.prepend = Metaspace::Prepend::kFirst;
  } else if (scheme == "never") {
    step.prepend = Metaspace::Prepend::kNever;
  } else {
    field.at("prepend_scheme").fail("always, first or never");
  }
  if (!field.boolean_or("add_prefix_space", true) && step.prepend != Metaspace::Prepend::kNever) {
    // The peer refuses the contradiction too; where only the old spelling stands, its default scheme
    // contradicts it.
    field.at("add_prefix_space").fail("true, or prepend_scheme \"never\" beside it");
  }
  step.cut = field.boolean_or("split", true);
  return step;
}

PreTokenizer::PreTokenizer(const JsonField& field) {
  if (!field.is_null()) append(field, 0);
}

void PreTokenizer::append(const JsonField& field, int depth) {
  if (depth > kMaxNesting) field.fail_because("Sequences are nested too deeply");
  const std::string type = field.at("type").string();
  if (type == "Sequence") {
    const JsonField parts = field.at("pretokenizers");
    for (Index i = 0; i < parts.size(); ++i) append(parts.element(i), depth + 1);
  } else if (type == "ByteLevel") {
    append_byte_level(field);
  } else if (type == "Split") {
    steps_.emplace_back(Split{read_pattern(field.at("pattern")), read_behavior(field.at("behavior")),
                              field.boolean_or("invert", false)});
  } else if (type == "Metaspace") {
    steps_.emplace_back(read_metaspace(field));
  } else if (type == "Digits") {
    const bool single = field.boolean_or("individual_digits", false);
    steps_.emplace_back(
        Split{CharClass(is_number), single ? SplitBehavior::kIsolated : SplitBehavior::kContiguous, false});
  } else if (type == "Punctuation") {
    const bool named = field.has("behavior");
    steps_.emplace_back(Split{CharClass(is_punctuation),
                              named ? read_behavior(field.at("behavior")) : SplitBehavior::kIsolated, false});
  } else if (type == "Whitespace") {
    steps_.emplace_back(Split{Regex(kWordPattern), SplitBehavior::kRemoved, true});
  } else if (type == "WhitespaceSplit") {
    steps_.emplace_back(Split{CharClass(is_whitespace), SplitBehavior::kRemoved, false});
  } else {
    field.at("type").fail(
        "Sequence, ByteLevel, Split, Metaspace, Digits, Punctuation, Whitespace or WhitespaceSplit");
  }
}

void PreTokenizer::append_byte_level(const JsonField& field) {
  if (field.at("add_prefix_space").boolean()) steps_.emplace_back(PrefixSpace{});
  if (field.boolean_or("use_regex", true)) {
    steps_.emplace_back(Split{Regex(kGpt2Pattern), SplitBehavior::kIsolated, false});
  }
  steps_.emplace_back(ByteLevelMap{});
}

void PreTokenizer::apply(Pieces& pieces) const {
  for (const Step& step : steps_) {
    std::visit([&pieces](const auto& one) { one.apply(pieces); }, step);
  }
}

}  // namespace lorry::text
