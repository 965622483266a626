#include "sweep/row_names.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "core/error.hpp"
#include "train/digest.hpp"

namespace lorry::sweep {

namespace {

constexpr std::size_t kLongestPart = 60;   // of a name, per option
constexpr std::size_t kLongestName = 200;  // of the 255 bytes that Linux allows; a temporary name adds some

/// `text` as a part of a file name; what cannot stand there is replaced, and a digest keeps it unique.
std::string file_part(const std::string& text, std::size_t longest) {
  constexpr std::string_view kAllowed = "._=+-";
  std::string part = text;
  std::replace_if(
      part.begin(), part.end(),
      [&](char c) {
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        return !letter && kAllowed.find(c) == std::string_view::npos;
      },
      '_');
  if (part.starts_with('.')) part.front() = '_';  // hidden files are temporaries
  if (part == text && part.size() <= longest) return part;
  constexpr std::size_t kDigits = 8;
  return fmt::format("{}-{}", part.substr(0, longest - kDigits - 1),
                     train::Digest().add(text).hex().substr(0, kDigits));
}

std::string target_part(const model::TargetModules& targets) {
  return targets.pattern.empty() ? fmt::format("{}", fmt::join(targets.names, "+")) : targets.pattern;
}

/// Whether a row with the same targets, rank and other options differs from `row` in `value`.
template <class Value>
bool tells_apart(const std::vector<Row>& rows, const Row& row, Value value) {
  return std::any_of(rows.begin(), rows.end(), [&](const Row& other) {
    const bool same_kind = is_lora(row) == is_lora(other) && row.targets == other.targets &&
                           row.varied == other.varied &&
                           (!is_lora(row) || row.options.lora.r == other.options.lora.r);
    return same_kind && value(row) != value(other);
  });
}

}  // namespace

std::string cell_name(const Row& row, std::uint64_t seed) {
  const train::TrainOptions& options = row.options;
  std::string name = "full";
  if (is_lora(row)) {
    name = fmt::format("{}-r{}-alpha{}", file_part(target_part(options.lora.target_modules), kLongestPart),
                       options.lora.r, options.lora.lora_alpha);
  }
  name += fmt::format("-lr{}", options.learning_rate());
  for (const auto& [key, value] : row.varied)
    name += fmt::format("-{}{}", key, file_part(value, kLongestPart));
  return file_part(name + fmt::format("-seed{}", seed), kLongestName);
}

void name_rows(std::vector<Row>& rows) {
  std::set<std::string> labels;
  for (Row& row : rows) {
    const std::string rank = is_lora(row) ? fmt::format(" r={}", row.options.lora.r) : "";
    std::string rest;
    if (tells_apart(rows, row, [](const Row& r) { return r.options.learning_rate(); })) {
      rest += fmt::format(" lr={}", row.options.learning_rate());
    }
    if (is_lora(row) && tells_apart(rows, row, [](const Row& r) { return r.options.lora.lora_alpha; })) {
      rest += fmt::format(" alpha={}", row.options.lora.lora_alpha);
    }
    for (const auto& [key, value] : row.varied) rest += fmt::format(" {}={}", key, value);
    const std::string what = is_lora(row) ? row.targets : "full";
    row.series = row.label.empty() ? what + rest : row.label;
    if (row.label.empty()) row.label = fmt::format("{}{}{}", what, rank, rest);
    if (!labels.insert(row.label).second) {
      throw Error("[sweep] two rows are called \"{}\"; expected names of their own", row.label);
    }
  }
}

}  // namespace lorry::sweep
