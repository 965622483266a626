// text/pre_tokenizer.hpp: cuts normalised text into the words that the model sees.
#pragma once
#include <string>
#include <variant>
#include <vector>

#include "text/json_field.hpp"
#include "text/pieces.hpp"
#include "text/split.hpp"

namespace lorry::text {

/// GPT-2's expression, which ByteLevel uses unless use_regex is false.
inline constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

/// Writes every byte as a character of the byte alphabet. The cutting by kGpt2Pattern is a Split before it.
struct ByteLevelMap {
  void apply(Pieces& pieces) const;
};

/// Puts a space before each piece that does not start with one.
struct PrefixSpace {
  void apply(Pieces& pieces) const;
};

/// Spaces become `replacement`; pieces that do not start with it may get one prepended; optionally cut before
/// each.
struct Metaspace {
  enum class Prepend { kAlways, kFirst, kNever };
  std::string replacement;  // one character
  Prepend prepend = Prepend::kAlways;
  bool cut = true;

  void apply(Pieces& pieces) const;
};

class PreTokenizer {
 public:
  /// No steps: the text is one word.
  PreTokenizer() = default;
  /// Reads the field "pre_tokenizer"; null means no steps. Throws Error on anything unsupported.
  explicit PreTokenizer(const JsonField& field);

  void apply(Pieces& pieces) const;

 private:
  using Step = std::variant<Split, ByteLevelMap, PrefixSpace, Metaspace>;

  void append(const JsonField& field, int depth);
  void append_byte_level(const JsonField& field);

  std::vector<Step> steps_;
};

/// A pattern object of Split or Replace: {"String": ...} or {"Regex": ...}.
Matcher read_pattern(const JsonField& field);

/// The fields that Metaspace shares between pre-tokenizer and decoder, including the older add_prefix_space.
Metaspace read_metaspace(const JsonField& field);

}  // namespace lorry::text
