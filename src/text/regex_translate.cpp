// Oniguruma to PCRE2, for the subset in which both agree once character classes are spelled out.
#include <fmt/format.h>

#include <array>

#include "core/error.hpp"
#include "text/regex.hpp"
#include "text/unicode_gaps.hpp"

namespace lorry::text {

namespace {

// The White_Space property and its complement. PCRE2's own \s adds U+180E.
constexpr std::string_view kSpace =
    R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
constexpr std::string_view kNotSpace =
    R"(\x{0}-\x{8}\x{e}-\x{1f}\x{21}-\x{84}\x{86}-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027})"
    R"(\x{202a}-\x{202e}\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{10ffff})";

constexpr std::array<std::string_view, 9> kGroupOpenings = {
    "(?:", "(?=", "(?!", "(?>", "(?<=", "(?<!", "(?i:", "(?i)", "(?-i:"};

class Translator {
 public:
  explicit Translator(std::string_view pattern) : pattern_(pattern) {}

  std::string run() {
    while (!done()) step();
    return std::move(out_);
  }

 private:
  [[nodiscard]] bool done() const { return at_ >= pattern_.size(); }
  [[nodiscard]] std::string_view rest() const { return pattern_.substr(at_); }
  [[nodiscard]] bool next_is(std::string_view text) const { return rest().starts_with(text); }

  [[noreturn]] void refuse(std::string_view what) const {
    throw Error("{} in the regular expression {} is not supported", what, pattern_);
  }

  void copy(std::size_t count) {
    out_ += pattern_.substr(at_, count);
    at_ += count;
  }

  void step() {
    switch (pattern_[at_]) {
      case '\\':
        return escape(false);
      case '[':
        return character_class();
      case '(':
        return group();
      case '{':
        return interval();
      default:
        return copy(1);
    }
  }

  void group() {
    if (!next_is("(?") && !next_is("(*")) return copy(1);
    for (const std::string_view opening : kGroupOpenings) {
      if (next_is(opening)) return copy(opening.size());
    }
    refuse(fmt::format("the group {}", rest().substr(0, 4)));
  }

  // {n}, {n,}, {n,m} and {,m}; behind these a ? or + means something else in Oniguruma.
  void interval() {
    const std::size_t end = rest().find('}');
    if (end == std::string_view::npos) refuse("an open brace");
    const std::string_view inside = rest().substr(1, end - 1);
    if (inside.empty() || inside.find_first_not_of("0123456789,") != std::string_view::npos)
      refuse("a brace");
    out_ += inside.front() == ',' ? fmt::format("{{0{}}}", inside) : fmt::format("{{{}}}", inside);
    at_ += end + 1;
    if (next_is("+") || (next_is("?") && inside.find(',') == std::string_view::npos))
      refuse("{n} with a suffix");
  }

  void character_class() {
    copy(1);
    if (next_is("^")) copy(1);
    if (next_is("]")) refuse("an empty class");
    while (!done() && !next_is("]")) {
      if (next_is("[")) refuse("a class inside a class");
      if (next_is("&&")) refuse("&&");
      if (next_is("\\")) {
        escape(true);
      } else {
        copy(1);
      }
    }
    if (done()) refuse("an open class");
    copy(1);
  }

  void escape(bool in_class) {
    if (at_ + 1 >= pattern_.size()) refuse("a final backslash");
    const char c = pattern_[at_ + 1];
    if (c == 'p' || c == 'P') return property(in_class);
    if (c == 'u') return code_unit();
    if (c == 'x' || std::string_view("nrtfae").find(c) != std::string_view::npos) return copy(2);
    const bool is_letter_or_digit = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
    if (!is_letter_or_digit) return copy(2);
    at_ += 2;
    if (c == 'v') {
      out_ += R"(\x{b})";
    } else if (c == 's' || c == 'S') {
      put_set(c == 's' ? std::string(kSpace) : std::string(kNotSpace), false, in_class);
    } else if (c == 'd' || c == 'w') {
      put_set(c == 'd' ? category_set("Nd") : word_set(in_class), false, in_class);
    } else if ((c == 'D' || c == 'W') && !in_class) {
      put_set(c == 'D' ? category_set("Nd") : word_set(false), true, in_class);
    } else {
      refuse(fmt::format("\\{}{}", c, in_class ? " inside a class" : ""));
    }
  }

  void code_unit() {
    const std::string_view digits = rest().substr(2, 4);
    if (digits.size() < 4 || digits.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos) {
      refuse("\\u without four digits");
    }
    out_ += fmt::format("\\x{{{}}}", digits);
    at_ += 6;
  }

  void property(bool in_class) {
    const bool negated = pattern_[at_ + 1] == 'P';
    const std::size_t end = rest().find('}');
    if (rest().substr(2, 1) != "{" || end == std::string_view::npos) refuse("\\p without braces");
    const std::string_view name = rest().substr(3, end - 3);
    if (negated && in_class) refuse("\\P inside a class");
    at_ += end + 1;
    put_set(category_set(name), negated, in_class);
  }

  void put_set(const std::string& members, bool negated, bool in_class) {
    out_ += in_class ? members : fmt::format("[{}{}]", negated ? "^" : "", members);
  }

  static void append_later(std::string& set, std::string_view category) {
    for (const CodeRange range : later_code_points(category)) {
      set += fmt::format("\\x{{{:x}}}-\\x{{{:x}}}", static_cast<std::uint32_t>(range.first),
                         static_cast<std::uint32_t>(range.last));
    }
  }

  [[nodiscard]] std::string category_set(std::string_view name) const {
    constexpr std::array<std::string_view, 11> kKnown = {"L", "Lu", "Ll", "Lt", "Lm", "Lo",
                                                         "M", "N",  "Nd", "P",  "S"};
    // \p{Han} alone would mean script extensions in PCRE2.
    std::string set = name == "Han" ? "\\p{sc:Han}" : fmt::format("\\p{{{}}}", name);
    if (name == "Han") {
      append_later(set, name);
      return set;
    }
    for (const std::string_view known : kKnown) {
      if (name != known) continue;
      append_later(set, name);
      if (name == "L") {
        for (const std::string_view part : {"Lu", "Ll", "Lm", "Lo"}) append_later(set, part);
      } else if (name == "N") {
        for (const std::string_view part : {"Nd", "No"}) append_later(set, part);
      }
      return set;
    }
    refuse(fmt::format("the property {}", name));
  }

  // Oniguruma's word characters. Outside of classes its Latin-1 table adds the superscripts and fractions.
  [[nodiscard]] std::string word_set(bool in_class) const {
    const std::string_view latin = in_class ? "" : R"(\x{b2}\x{b3}\x{b9}\x{bc}-\x{be})";
    return fmt::format(R"(\p{{Alphabetic}}\p{{Pc}}{}{}{}{})", latin, category_set("L"), category_set("M"),
                       category_set("Nd"));
  }

  std::string_view pattern_;
  std::size_t at_ = 0;
  std::string out_;
};

}  // namespace

std::string translate_pattern(std::string_view oniguruma) {
  return Translator(oniguruma).run();
}

}  // namespace lorry::text
