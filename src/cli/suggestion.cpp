#include "cli/suggestion.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

namespace lorry::cli {

namespace {

/// Names that users of mlx-lm, axolotl, LLaMA-Factory, torchtune and llama.cpp bring along.
constexpr std::array<std::pair<std::string_view, std::string_view>, 46> kForeignNames = {{
    {"model-name-or-path", "model"},
    {"base-model", "model"},
    {"adapter-path", "adapter"},
    {"dataset", "data"},
    {"train-data", "data"},
    {"valid-data", "eval-data"},
    {"output-dir", "out"},
    {"output", "out"},
    {"adapters", "out"},
    {"r", "rank"},
    {"lora-r", "rank"},
    {"lora-rank", "rank"},
    {"lora-alpha", "alpha"},
    {"lora-dropout", "dropout"},
    {"lora-target", "target-modules"},
    {"lora-modules", "target-modules"},
    {"lora-target-modules", "target-modules"},
    {"target-modules", "modules"},
    {"learning-rate", "lr"},
    {"lr-schedule", "lr-scheduler"},
    {"lr-scheduler-type", "lr-scheduler"},
    {"num-warmup-steps", "warmup-steps"},
    {"warmup-ratio", "warmup-steps"},
    {"micro-batch-size", "batch-size"},
    {"per-device-train-batch-size", "batch-size"},
    {"gradient-accumulation-steps", "grad-accumulation-steps"},
    {"sequence-len", "max-seq-length"},
    {"cutoff-len", "max-seq-length"},
    {"max-seq-len", "max-seq-length"},
    {"iters", "steps"},
    {"max-steps", "steps"},
    {"num-epochs", "epochs"},
    {"num-train-epochs", "epochs"},
    {"steps-per-eval", "eval-steps"},
    {"gradient-checkpointing", "grad-checkpoint"},
    {"max-tokens", "max-new-tokens"},
    {"temp", "temperature"},
    {"template", "chat-template"},
    {"train-on-input", "train-on-prompt"},
    {"train-on-inputs", "train-on-prompt"},
    {"text-feature", "text-key"},
    {"prompt-feature", "prompt-key"},
    {"completion-feature", "completion-key"},
    {"chat-feature", "messages-key"},
    {"field-messages", "messages-key"},
    {"datasets", "data"},
}};

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

}  // namespace

std::string suggest_option(std::string_view unknown, const std::vector<std::string_view>& names) {
  std::string name(unknown);
  std::replace(name.begin(), name.end(), '_', '-');
  const auto exists = [&](std::string_view wanted) {
    return std::find(names.begin(), names.end(), wanted) != names.end();
  };
  for (const auto& [foreign, ours] : kForeignNames) {
    if (name == foreign && exists(ours)) return fmt::format("; did you mean \"{}\"?", ours);
  }
  return suggest_name(name, names);
}

std::string suggest_name(std::string_view unknown, std::span<const std::string_view> names) {
  std::string_view nearest;
  // At least one letter must stay, or any short name would do.
  std::size_t least = std::min(std::max<std::size_t>(2, unknown.size() / 3) + 1, unknown.size());
  for (const std::string_view candidate : names) {
    const std::size_t distance = edit_distance(unknown, candidate);
    if (distance >= least) continue;
    least = distance;
    nearest = candidate;
  }
  if (!nearest.empty()) return fmt::format("; did you mean \"{}\"?", nearest);
  return fmt::format("; expected one of {}", fmt::join(names, ", "));
}

std::string suggest_option(std::string_view unknown, const OptionTable& table) {
  std::vector<std::string_view> names;
  for (const Option& option : table.options()) names.push_back(option.name);
  return suggest_option(unknown, names);
}

}  // namespace lorry::cli
