#include "cli/binding.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace lorry::cli {

namespace {

template <class Number>
std::optional<Number> parse(const std::string& text) {
  Number value{};
  const char* end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, value);
  if (failure != std::errc{} || stop != end) return std::nullopt;
  return value;
}

template <class T>
std::string show_value(const T& value) {
  return fmt::format("{}", value);
}
template <class T>
std::string show_value(const std::optional<T>& value) {
  return value ? show_value(*value) : std::string();
}

template <class To>
Binding make_integer(To& to, Index least) {
  return {.read =
              [&to, least](const std::string& text) {
                const auto value = parse<Index>(text);
                if (!value || *value < least) return false;
                to = *value;
                return true;
              },
          .show = [&to] { return show_value(to); },
          .expected = fmt::format("an integer of at least {}", least)};
}

bool contains(const Interval& interval, double value) {
  const bool above = interval.low_open ? value > interval.low : value >= interval.low;
  const bool below = interval.high_open ? value < interval.high : value <= interval.high;
  return std::isfinite(value) && above && below;
}

std::string describe(const Interval& interval) {
  std::string text = "a number";
  if (std::isfinite(interval.low)) {
    text += fmt::format(" {} {}", interval.low_open ? "above" : "of at least", interval.low);
  }
  if (std::isfinite(interval.high)) {
    text += fmt::format("{} {} {}", std::isfinite(interval.low) ? " and" : "",
                        interval.high_open ? "below" : "at most", interval.high);
  }
  return text;
}

template <class Number, class To>
Binding make_number(To& to, Interval interval) {
  return {.read =
              [&to, interval](const std::string& text) {
                const auto value = parse<Number>(text);
                if (!value || !contains(interval, static_cast<double>(*value))) return false;
                to = *value;
                return true;
              },
          .show = [&to] { return show_value(to); },
          .expected = describe(interval)};
}

}  // namespace

Binding bind_integer(Index& to, Index least) {
  return make_integer(to, least);
}
Binding bind_integer(std::optional<Index>& to, Index least) {
  return make_integer(to, least);
}
Binding bind_integer(Index& to, Index least, Index most) {
  return {.read =
              [&to, least, most](const std::string& text) {
                const auto value = parse<Index>(text);
                if (!value || *value < least || *value > most) return false;
                to = *value;
                return true;
              },
          .show = [&to] { return show_value(to); },
          .expected = fmt::format("an integer from {} to {}", least, most)};
}
Binding bind_number(float& to, Interval interval) {
  return make_number<float>(to, interval);
}
Binding bind_number(double& to, Interval interval) {
  return make_number<double>(to, interval);
}
Binding bind_number(std::optional<double>& to, Interval interval) {
  return make_number<double>(to, interval);
}

Binding bind_bytes(std::optional<Index>& to) {
  const auto read = [&to](const std::string& text) {
    constexpr std::array<std::pair<std::string_view, double>, 9> kUnits = {{{"", 1.0},
                                                                            {"B", 1.0},
                                                                            {"MB", 1e6},
                                                                            {"GB", 1e9},
                                                                            {"TB", 1e12},
                                                                            {"KiB", 0x1p10},
                                                                            {"MiB", 0x1p20},
                                                                            {"GiB", 0x1p30},
                                                                            {"TiB", 0x1p40}}};
    const std::size_t end = text.find_first_not_of("0123456789.");
    const auto number = parse<double>(text.substr(0, end));
    std::string_view unit =
        end == std::string::npos ? std::string_view() : std::string_view(text).substr(end);
    while (unit.starts_with(' ')) unit.remove_prefix(1);
    const auto* const found =
        std::find_if(kUnits.begin(), kUnits.end(), [&](const auto& one) { return one.first == unit; });
    if (!number || found == kUnits.end()) return false;
    const double bytes = *number * found->second;
    if (!(bytes >= 1.0) || bytes > 0x1p60) return false;
    to = static_cast<Index>(bytes);
    return true;
  };
  return {
      .read = read, .show = [&to] { return show_value(to); }, .expected = "memory such as 12GiB or 500MB"};
}

Binding bind_seed(std::uint64_t& to) {
  return {.read =
              [&to](const std::string& text) {
                const auto value = parse<std::uint64_t>(text);
                if (value) to = *value;
                return value.has_value();
              },
          .show = [&to] { return show_value(to); },
          .expected = "an integer of at least 0"};
}

Binding bind_text(std::string& to) {
  return {.read =
              [&to](const std::string& text) {
                to = text;
                return true;
              },
          .show = [&to] { return to; },
          .expected = "text"};
}

Binding bind_texts(std::vector<std::string>& to) {
  return {.read =
              [&to](const std::string& text) {
                to.push_back(text);
                return true;
              },
          .show = [&to] { return fmt::format("{}", fmt::join(to, ",")); },
          .expected = "text",
          .items = [&to] { return to; }};
}

Binding bind_pairs(std::function<bool(const std::string& key, const std::string& value)> add,
                   std::function<std::vector<std::pair<std::string, std::string>>()> pairs,
                   std::string expected) {
  const auto items = [pairs = std::move(pairs)] {
    const auto all = pairs();
    std::vector<std::string> texts;
    texts.reserve(all.size());
    for (const auto& [key, value] : all) texts.push_back(fmt::format("{}={}", key, value));
    return texts;
  };
  return {.read =
              [add = std::move(add)](const std::string& text) {
                const std::size_t split = text.rfind('=');
                return split != std::string::npos && split > 0 &&
                       add(text.substr(0, split), text.substr(split + 1));
              },
          .show = [items] { return fmt::format("{}", fmt::join(items(), ",")); },
          .expected = std::move(expected),
          .items = items,
          .is_pairs = true};
}

Binding bind_integers(std::vector<Index>& to, Index least) {
  return {.read =
              [&to, least](const std::string& text) {
                std::vector<Index> numbers;
                for (std::size_t begin = 0; begin <= text.size();) {
                  const std::size_t end = std::min(text.find(',', begin), text.size());
                  std::string word = text.substr(begin, end - begin);
                  while (word.starts_with(' ')) word.erase(0, 1);
                  while (word.ends_with(' ')) word.pop_back();
                  const auto number = parse<Index>(word);
                  if (!number || *number < least) return false;
                  numbers.push_back(*number);
                  begin = end + 1;
                }
                to = std::move(numbers);
                return true;
              },
          .show = [&to] { return fmt::format("{}", fmt::join(to, ",")); },
          .expected = fmt::format("integers of at least {}, separated by commas", least)};
}

Binding bind_path(std::filesystem::path& to) {
  return {.read =
              [&to](const std::string& text) {
                if (text.empty()) return false;
                to = text;
                return true;
              },
          .show = [&to] { return to.string(); },
          .expected = "a path"};
}

Binding bind_paths(std::vector<std::filesystem::path>& to) {
  return {.read =
              [&to](const std::string& text) {
                if (text.empty()) return false;
                to.emplace_back(text);
                return true;
              },
          .show =
              [&to] {
                std::string text;
                for (const std::filesystem::path& path : to) {
                  if (!text.empty()) text += ',';
                  text += path.string();
                }
                return text;
              },
          .expected = "a path"};
}

Binding bind_switch(bool& to) {
  return {.read =
              [&to](const std::string& text) {
                const auto is_one_of = [&](std::initializer_list<std::string_view> words) {
                  return std::find(words.begin(), words.end(), text) != words.end();
                };
                if (is_one_of({"true", "yes", "on", "1"})) {
                  to = true;
                } else if (is_one_of({"false", "no", "off", "0"})) {
                  to = false;
                } else {
                  return false;
                }
                return true;
              },
          .show = [&to] { return std::string(to ? "true" : "false"); },
          .expected = "true or false",
          .is_switch = true};
}

Binding bind_word(std::vector<std::string_view> words, std::function<void(Index)> set,
                  std::function<Index()> get) {
  std::string expected = fmt::format("{}", fmt::join(words, ", "));
  return {.read =
              [words, set = std::move(set)](const std::string& text) {
                const auto found = std::find(words.begin(), words.end(), text);
                if (found == words.end()) return false;
                set(found - words.begin());
                return true;
              },
          .show =
              [words, get = std::move(get)] {
                const Index i = get();
                return i < 0 ? std::string() : std::string(words[static_cast<std::size_t>(i)]);
              },
          .expected = "one of " + std::move(expected),
          .words = words};
}

}  // namespace lorry::cli
