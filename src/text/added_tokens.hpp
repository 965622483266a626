// text/added_tokens.hpp: tokens that are found in the text as they stand, before the model sees it.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/bpe.hpp"
#include "text/json_field.hpp"
#include "text/normalizer.hpp"
#include "text/vocabulary.hpp"

namespace lorry::text {

struct AddedToken {
  std::string content;
  std::int32_t id = 0;
  bool single_word = false;  // not inside a word
  bool lstrip = false;       // takes white space on its left
  bool rstrip = false;       // takes white space on its right
  bool normalized = true;    // matched, in its normalised form, against the normalised text
  bool special = false;      // left out when decoding
};

/// A part of a text: an added token, or text between them.
struct Segment {
  Span span;
  std::optional<std::int32_t> id;
};

/// Finds the longest of some tokens at the leftmost place. const calls may run at once.
class TokenFinder {
 public:
  /// `pattern` is not empty. The first of equal patterns stays.
  void add(const std::string& pattern, const AddedToken& token);
  /// Segments that cover `text`. As in the peer they overlap where one token's rstrip took what the next
  /// starts with.
  [[nodiscard]] std::vector<Segment> split(std::string_view text) const;

 private:
  struct Flags {
    std::int32_t id;
    bool single_word, lstrip, rstrip;
  };
  struct Match {
    Span span;
    const Flags* token;
  };
  [[nodiscard]] std::optional<Match> find(std::string_view text, Index from) const;

  StringMap<Flags> patterns_;
  std::array<std::vector<std::size_t>, 256> lengths_;  // by first byte: lengths of patterns, longest first
};

class AddedTokens {
 public:
  AddedTokens() = default;
  /// Reads the field "added_tokens". Ids are checked against those that the peer gives: the model's, or
  /// counted up from the vocabulary's size. Throws Error on other ids.
  AddedTokens(const JsonField& field, const Vocabulary& vocabulary, const Normalizer& normalizer);

  /// Cuts raw text at the tokens that are not normalised.
  [[nodiscard]] std::vector<Segment> split_raw(std::string_view text) const { return raw_.split(text); }
  /// Cuts normalised text at the others.
  [[nodiscard]] std::vector<Segment> split_normalized(std::string_view text) const {
    return normalized_.split(text);
  }

  /// In the order of the file.
  [[nodiscard]] const std::vector<AddedToken>& tokens() const { return tokens_; }
  /// What the decoder gets for tokens()[i]: the normalised form where the token is normalised.
  [[nodiscard]] const std::string& decoded_form(Index i) const { return forms_[static_cast<std::size_t>(i)]; }

 private:
  void check_ids(const JsonField& field, const Vocabulary& vocabulary) const;

  std::vector<AddedToken> tokens_;
  std::vector<std::string> forms_;
  TokenFinder raw_, normalized_;
};

}  // namespace lorry::text
