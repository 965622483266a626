// text/regex.hpp: the regular expressions of tokenizer.json, which are written for Oniguruma and run here on
// PCRE2.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/index.hpp"

namespace lorry::text {

/// Byte range [begin, end) of a text.
struct Span {
  Index begin, end;
};

/// The same expression in PCRE2's words (compiled with UTF, UCP and MULTILINE): white space, words, digits
/// and categories are spelled out as Oniguruma 6.9.10 (Unicode 16) knows them. Throws Error, naming the
/// construct, for what means something else there or is not supported: only what is known to be equal passes.
std::string translate_pattern(std::string_view oniguruma);

/// A compiled expression. const calls may run at once.
class Regex {
 public:
  /// Throws Error if the pattern is not supported or malformed.
  explicit Regex(std::string_view oniguruma);

  /// All matches from left to right, without overlap; an empty match right behind another match is left out.
  /// `text` must be valid UTF-8. Throws Error if matching exceeds PCRE2's limits.
  [[nodiscard]] std::vector<Span> find_all(std::string_view text) const;

 private:
  struct Free {
    void operator()(void* code) const;
  };
  std::unique_ptr<void, Free> code_;  // pcre2_code
};

}  // namespace lorry::text
