// cli/binding.hpp: variables that text is read into and shown from: one way for flags and for YAML.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/index.hpp"

namespace lorry::cli {

/// Borrows its variable.
struct Binding {
  std::function<bool(const std::string&)> read;  // false: not as expected, and the variable is unchanged
  std::function<std::string()> show;             // what read would take; empty: not set
  std::string expected;                          // "an integer of at least 1"
  bool is_switch = false;                        // a flag without a value
  std::vector<std::string_view> words = {};      // if there are few texts to choose from: all of them
  /// For Option::repeated where one text cannot hold all: the texts that read would take. A YAML config has
  /// them as a list, or if they are pairs as a mapping.
  std::function<std::vector<std::string>()> items = {};
  bool is_pairs = false;  // each text is "KEY=VALUE", or none is
};

/// Numbers from `low` to `high`; ends that are open are left out themselves.
struct Interval {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_open = false;
  bool high_open = false;
};

Binding bind_integer(Index& to, Index least);
Binding bind_integer(std::optional<Index>& to, Index least);
/// From `least` to `most`.
Binding bind_integer(Index& to, Index least, Index most);
Binding bind_number(float& to, Interval interval);
Binding bind_number(double& to, Interval interval);
Binding bind_number(std::optional<double>& to, Interval interval);
Binding bind_seed(std::uint64_t& to);
/// An amount of memory: "12GiB", "500MB", "1.5GiB", or bytes; above 0.
Binding bind_bytes(std::optional<Index>& to);
Binding bind_text(std::string& to);
/// Each text that is read comes behind those before: for Option::repeated.
Binding bind_texts(std::vector<std::string>& to);
/// Pairs "KEY=VALUE", the key before the last "=": for Option::repeated. `add` says whether it takes one;
/// `pairs` gives those that it took.
Binding bind_pairs(std::function<bool(const std::string& key, const std::string& value)> add,
                   std::function<std::vector<std::pair<std::string, std::string>>()> pairs,
                   std::string expected);
/// Numbers of at least `least`, separated by commas.
Binding bind_integers(std::vector<Index>& to, Index least);
Binding bind_path(std::filesystem::path& to);
/// Each path that is read comes behind those before: for Option::repeated.
Binding bind_paths(std::vector<std::filesystem::path>& to);
/// true or false; the flag alone means true.
Binding bind_switch(bool& to);

/// One of several words. `set` is told the word's place in `words`; `get` gives it (-1: not set).
Binding bind_word(std::vector<std::string_view> words, std::function<void(Index)> set,
                  std::function<Index()> get);

/// An enumerator or other value by its word.
template <class T>
Binding bind_choice(T& to, std::vector<std::pair<std::string_view, T>> choices) {
  std::vector<std::string_view> words;
  words.reserve(choices.size());
  for (const auto& choice : choices) words.push_back(choice.first);
  const auto get = [&to, choices] {
    for (std::size_t i = 0; i < choices.size(); ++i) {
      if (choices[i].second == to) return static_cast<Index>(i);
    }
    return Index{-1};
  };
  return bind_word(
      std::move(words), [&to, choices](Index i) { to = choices[static_cast<std::size_t>(i)].second; }, get);
}

}  // namespace lorry::cli
