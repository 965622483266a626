// text/post_processor.hpp: tokens that the template puts around a text (BOS, EOS).
#pragma once
#include <cstdint>
#include <vector>

#include "text/json_field.hpp"

namespace lorry::text {

/// The templates for one sequence; pairs are not supported. ByteLevel changes offsets only, which we do not
/// have.
class PostProcessor {
 public:
  /// Adds nothing.
  PostProcessor() = default;
  /// Reads the field "post_processor"; null means none. Throws Error on anything unsupported, and on token
  /// ids from `vocab_size` up.
  PostProcessor(const JsonField& field, Index vocab_size);

  /// `ids` with the template's tokens, which are left out unless `add_special_tokens`.
  [[nodiscard]] std::vector<std::int32_t> apply(std::vector<std::int32_t> ids, bool add_special_tokens) const;

 private:
  struct Part {
    bool is_text;
    std::vector<std::int32_t> ids;  // otherwise
  };

  void append(const JsonField& field, Index vocab_size, int depth);
  void read_template(const JsonField& field, Index vocab_size);

  std::vector<Part> parts_;  // empty: the text alone
};

}  // namespace lorry::text
