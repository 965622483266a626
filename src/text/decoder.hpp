// text/decoder.hpp: from tokens back to text.
#pragma once
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "text/json_field.hpp"
#include "text/normalizer.hpp"
#include "text/pre_tokenizer.hpp"

namespace lorry::text {

/// Each token is characters of the byte alphabet; together they become bytes, and those one text.
struct ByteLevelDecode {};

/// A run of "<0xE2>" tokens becomes the text its bytes spell, or one U+FFFD per byte if they spell none.
struct ByteFallback {};

/// Joins all tokens to one.
struct Fuse {};

/// Cuts up to `start` and `stop` copies of `character` from the ends of each token.
struct StripChars {
  std::string character;  // one, UTF-8
  Index start = 0, stop = 0;

  [[nodiscard]] std::string apply(std::string_view token) const;
};

/// Metaspace's `replacement` becomes a space again; in the first token it vanishes if the scheme prepends
/// one.
struct MetaspaceDecode {
  std::string replacement;
  bool drop_in_first = true;

  [[nodiscard]] std::string apply(std::string_view token, bool is_first) const;
};

using DecodeStep = std::variant<ByteLevelDecode, ByteFallback, Fuse, Replace, StripChars, MetaspaceDecode>;

class Decoder {
 public:
  /// Joins tokens with a space, as the peer does without a decoder.
  Decoder() = default;
  /// Reads the field "decoder"; null means none. Throws Error on anything unsupported.
  explicit Decoder(const JsonField& field);

  [[nodiscard]] std::string decode(std::vector<std::string> tokens) const;

  /// Absent: no decoder. Sequences are flattened.
  [[nodiscard]] bool is_absent() const { return absent_; }
  [[nodiscard]] const std::vector<DecodeStep>& steps() const { return steps_; }

 private:
  void append(const JsonField& field, int depth);

  bool absent_ = true;
  std::vector<DecodeStep> steps_;
};

/// The byte of a token like "<0x0A>".
std::optional<char> byte_of_token(std::string_view token);

/// What a run of byte tokens becomes.
std::string decode_byte_run(std::string_view bytes);

/// The bytes of a token in the byte alphabet; the token itself if it has another character.
std::string bytes_of_token(std::string_view token);

}  // namespace lorry::text
