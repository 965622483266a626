#include "cli/analyze/shared_start.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <optional>
#include <string_view>

#include "cli/train_report.hpp"
#include "cli/yaml_text.hpp"
#include "core/error.hpp"

namespace lorry::cli {

namespace {

/// What the run that made the adapter took; nothing where it left no record, or another program's.
std::optional<std::string> seed_of(const Subject& subject) {
  const std::filesystem::path file = subject.path / kTrainConfigFile;
  if (subject.full || !std::filesystem::exists(file)) return std::nullopt;
  try {
    const YAML::Node root = parse_yaml(file);
    // A run that went on from an adapter began where that one was.
    if (!root.IsMap() || !root["seed"] || !root["seed"].IsScalar() || root["adapter"]) return std::nullopt;
    const std::string& seed = root["seed"].Scalar();
    const bool number = !seed.empty() && seed.find_first_not_of("0123456789") == std::string::npos;
    return number ? std::optional(seed) : std::nullopt;
  } catch (const Error&) {
    return std::nullopt;  // it is only asked for a hint
  }
}

}  // namespace

std::string shared_start(const Subject& first, const Subject& second) {
  const std::optional<std::string> seed = seed_of(first);
  if (!seed || seed != seed_of(second)) return {};
  return fmt::format(
      "{} and {} were both trained from seed {}: the rows of A that they have in common started alike, so "
      "they share directions that nothing has learnt, of which the random control knows nothing.",
      first.name, second.name, *seed);
}

}  // namespace lorry::cli
