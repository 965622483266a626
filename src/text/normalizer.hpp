// text/normalizer.hpp: rewrites text before it is cut.
#pragma once
#include <string>
#include <variant>
#include <vector>

#include "text/json_field.hpp"
#include "text/split.hpp"
#include "text/unicode.hpp"

namespace lorry::text {

/// Every match becomes `content`. The decoder of the same name works so on each token.
struct Replace {
  Matcher matcher;
  std::string content;

  [[nodiscard]] std::string apply(std::string_view text) const;
  [[nodiscard]] std::string apply(std::string_view text, const std::vector<Span>& matches) const;
};

struct Normalized {
  std::string text;
  /// The text still starts with what the raw text starts with. The peer's Metaspace "first" asks for this,
  /// and loses it when a step cuts the start off or replaces more than one character there.
  bool keeps_start = true;
};

class Normalizer {
 public:
  /// Leaves text alone.
  Normalizer() = default;
  /// Reads the field "normalizer"; null means none. Throws Error on anything unsupported.
  explicit Normalizer(const JsonField& field);

  /// `text` is valid UTF-8, and so is the result.
  [[nodiscard]] Normalized apply(std::string text) const;

 private:
  struct Prepend {
    std::string text;
  };
  struct Lowercase {};
  struct Strip {
    bool left, right;  // white space
  };
  using Step = std::variant<Prepend, Replace, NormalForm, Lowercase, Strip>;

  void append(const JsonField& field, int depth);
  static Normalized run(const Step& step, const std::string& text);
  static Normalized run_replace(const Replace& replace, const std::string& text);

  std::vector<Step> steps_;
};

}  // namespace lorry::text
