#include "train/checkpoints.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>

namespace lorry::train {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "checkpoint-";
/// How io::AtomicFolder calls one that is not finished, and rotation one that is to go.
constexpr std::string_view kHiddenPrefix = ".checkpoint-";

/// The N of "checkpoint-N"; nothing for any other name.
std::optional<Index> step_of(std::string_view name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  Index step = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), step);
  if (error != std::errc() || end != name.data() + name.size() || step < 0) return std::nullopt;
  if (fmt::format("{}", step) != name) return std::nullopt;  // "007", "+7"
  return step;
}

/// The valid name goes first and at once, so that no checkpoint is ever incomplete.
void remove_checkpoint(const fs::path& out, Index step) {
  const fs::path going = out / fmt::format("{}{}.tmp-old", kHiddenPrefix, step);
  std::error_code ignored;
  fs::remove_all(going, ignored);
  fs::rename(checkpoint_folder(out, step), going, ignored);
  fs::remove_all(going, ignored);
}

}  // namespace

fs::path checkpoint_folder(const fs::path& out, Index step) {
  return out / fmt::format("{}{}", kPrefix, step);
}

std::vector<Index> find_checkpoints(const fs::path& out) {
  std::vector<Index> steps;
  for (const auto& entry : fs::directory_iterator(out)) {
    const std::optional<Index> step = step_of(entry.path().filename().string());
    if (step && entry.is_directory()) steps.push_back(*step);
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

void rotate_checkpoints(const fs::path& out, Index keep, std::optional<Index> best) {
  if (keep == 0) return;
  std::vector<Index> steps = find_checkpoints(out);
  steps.resize(steps.size() - std::min(steps.size(), static_cast<std::size_t>(keep)));
  for (const Index step : steps) {
    if (step != best) remove_checkpoint(out, step);
  }
}

void remove_unfinished_checkpoints(const fs::path& out) {
  std::error_code ignored;
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(out)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kHiddenPrefix) && name.find(".tmp-") != std::string::npos) found.push_back(entry);
  }
  for (const fs::path& path : found) fs::remove_all(path, ignored);
}

}  // namespace lorry::train
