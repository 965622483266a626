#include "cli/suggestion.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "cli/aliases.hpp"

namespace lorry::cli {

namespace {

/// Levenshtein's distance: insertions, deletions and replacements that turn `a` into `b`.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

/// Empty where none is near.
std::string_view nearest(std::string_view unknown, std::span<const std::string_view> names) {
  std::string_view found;
  // At least one letter must stay, or any short name would do.
  std::size_t least = std::min(std::max<std::size_t>(2, unknown.size() / 3) + 1, unknown.size());
  for (const std::string_view candidate : names) {
    const std::size_t distance = edit_distance(unknown, candidate);
    if (distance >= least) continue;
    least = distance;
    found = candidate;
  }
  return found;
}

std::string did_you_mean(std::string_view name) {
  return fmt::format("; did you mean \"{}\"?", name);
}

/// What other trainers' name `name` is here, where that is one of `names`; else empty.
std::string_view counterpart(std::string_view name, std::span<const std::string_view> names) {
  const auto exists = [&](std::string_view wanted) {
    return std::find(names.begin(), names.end(), wanted) != names.end();
  };
  for (const std::span<const Alias> aliases : {general_aliases(), training_aliases()}) {
    for (const Alias& alias : aliases) {
      if (name == alias.name && exists(alias.option)) return alias.option;
    }
  }
  for (const auto& [theirs, ours] : hinted_names()) {
    if (name == theirs && exists(ours)) return ours;
  }
  return {};
}

}  // namespace

std::string suggest_option(std::string_view unknown, const std::vector<std::string_view>& names,
                           const std::vector<std::string_view>& further) {
  std::string name(unknown);
  std::replace(name.begin(), name.end(), '_', '-');
  const std::string_view ours = counterpart(name, names);
  if (!ours.empty()) return did_you_mean(ours);
  std::vector<std::string_view> all = names;
  all.insert(all.end(), further.begin(), further.end());
  const std::string_view near = nearest(name, all);
  return near.empty() ? suggest_name(name, names) : did_you_mean(near);
}

std::string suggest_name(std::string_view unknown, std::span<const std::string_view> names) {
  const std::string_view name = nearest(unknown, names);
  if (!name.empty()) return did_you_mean(name);
  return fmt::format("; expected one of {}", fmt::join(names, ", "));
}

std::string suggest_option(std::string_view unknown, const OptionTable& table,
                           const std::vector<std::string_view>& sections) {
  std::vector<std::string_view> names;
  names.reserve(table.options().size() + sections.size());
  for (const Option& option : table.options()) names.push_back(option.name);
  names.insert(names.end(), sections.begin(), sections.end());
  const std::vector<const Alias*> aliases = aliases_of(table);
  std::vector<std::string_view> further;
  further.reserve(aliases.size());
  for (const Alias* alias : aliases) further.push_back(alias->name);
  return suggest_option(unknown, names, further);
}

}  // namespace lorry::cli
