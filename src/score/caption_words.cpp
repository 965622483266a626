#include "score/caption_words.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "score/characters.hpp"

namespace lorry::score {

namespace {

constexpr std::array<std::string_view, 6> kEndings = {"s", "re", "ve", "ll", "d", "m"};

constexpr std::u32string_view kDropped =
    U".?!,:;-\"'`()[]{}\u2018\u2019\u201C\u201D\u2013\u2014\u2026\u00AB\u00BB";

std::string text_of(const std::vector<std::int32_t>& points, std::size_t first, std::size_t last) {
  std::string text;
  for (std::size_t i = first; i < last; ++i) append_utf8(points[i], text);
  return text;
}

class Cutter {
 public:
  explicit Cutter(std::string_view line) : points_(code_points(lowercase(line))) {
    std::replace(points_.begin(), points_.end(), 0x2019, static_cast<std::int32_t>('\''));
  }

  Words cut() {
    while (at_ < points_.size()) {
      const std::int32_t point = points_[at_];
      if (is_word_character(point)) {
        cut_word();
        continue;
      }
      ++at_;
      if (is_space(point) || kDropped.find(static_cast<char32_t>(point)) != std::u32string_view::npos)
        continue;
      words_.push_back(text_of(points_, at_ - 1, at_));
    }
    return std::move(words_);
  }

 private:
  [[nodiscard]] bool is_word_at(std::size_t i) const {
    return i < points_.size() && is_word_character(points_[i]);
  }

  /// A character that is part of the word where it stands between two others.
  [[nodiscard]] bool joins(std::size_t i) const {
    const std::int32_t point = points_[i];
    if (!is_word_at(i + 1)) return false;
    if (point == '-') return true;
    return (point == '.' || point == ',' || point == ':') && is_digit(points_[i - 1]) &&
           is_digit(points_[i + 1]);
  }

  void cut_word() {
    const std::size_t first = at_;
    while (at_ < points_.size()) {
      if (is_word_character(points_[at_]) || joins(at_)) {
        ++at_;
      } else if (points_[at_] == '\'' && is_word_at(at_ + 1)) {
        if (cut_ending(first)) return;
        ++at_;
      } else {
        break;
      }
    }
    words_.push_back(text_of(points_, first, at_));
  }

  /// At an apostrophe: where an ending follows, takes the word before it and the ending.
  bool cut_ending(std::size_t first) {
    std::size_t last = at_ + 1;
    while (is_word_at(last)) ++last;
    const std::string ending = text_of(points_, at_ + 1, last);
    const bool negation = ending == "t" && points_[at_ - 1] == 'n' && at_ - 1 > first;
    if (!negation && std::find(kEndings.begin(), kEndings.end(), ending) == kEndings.end()) return false;
    const std::size_t cut = negation ? at_ - 1 : at_;
    words_.push_back(text_of(points_, first, cut));
    words_.push_back(text_of(points_, cut, last));
    at_ = last;
    while (cut_further_ending()) {
    }
    return true;
  }

  /// Behind an ending: "I'd've".
  bool cut_further_ending() {
    if (at_ >= points_.size() || points_[at_] != '\'') return false;
    std::size_t last = at_ + 1;
    while (is_word_at(last)) ++last;
    const std::string ending = text_of(points_, at_ + 1, last);
    if (std::find(kEndings.begin(), kEndings.end(), ending) == kEndings.end()) return false;
    words_.push_back("'" + ending);
    at_ = last;
    return true;
  }

  std::vector<std::int32_t> points_;
  std::size_t at_ = 0;
  Words words_;
};

}  // namespace

Words caption_words(std::string_view line) {
  return Cutter(line).cut();
}

}  // namespace lorry::score
