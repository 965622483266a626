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

/// What decides the random numbers that every A began with.
struct Start {
  std::string seed;
  std::string draws;  // the options that choose which maps draw, one after another, and how
};

/// As the text of its line; what is not there is as good as empty.
std::string text_of(const YAML::Node& root, const char* key) {
  return root[key] ? YAML::Dump(root[key]) : std::string();
}

/// What the run that made the adapter took; nothing where it left no record, or another program's, or began
/// with parts of W.
std::optional<Start> start_of(const Subject& subject) {
  const std::filesystem::path file = subject.path / kTrainConfigFile;
  if (subject.full || !std::filesystem::exists(file)) return std::nullopt;
  try {
    const YAML::Node root = parse_yaml(file);
    // A run that went on from an adapter began where that one was.
    if (!root.IsMap() || !root["seed"] || !root["seed"].IsScalar() || root["adapter"]) return std::nullopt;
    const std::string& seed = root["seed"].Scalar();
    const bool number = !seed.empty() && seed.find_first_not_of("0123456789") == std::string::npos;
    const YAML::Node init = root["init_lora_weights"];
    const std::string kind = init && init.IsScalar() ? init.Scalar() : "true";
    if (!number || kind.starts_with("pissa") || kind == "olora") return std::nullopt;
    Start start{.seed = seed, .draws = kind};
    for (const char* key : {"target_modules", "exclude_modules", "layers_to_transform", "layers_pattern"}) {
      start.draws += "; ";
      start.draws += text_of(root, key);
    }
    return start;
  } catch (const Error&) {
    return std::nullopt;  // it is only asked for a hint
  }
}

}  // namespace

std::string shared_start(const Subject& first, const Subject& second) {
  const std::optional<Start> start = start_of(first);
  const std::optional<Start> other = start_of(second);
  if (!start || !other || start->seed != other->seed || start->draws != other->draws) return {};
  return fmt::format(
      "{} and {} were both trained from seed {}: the rows of A that they have in common started alike, so "
      "they share directions that nothing has learnt, of which the random control knows nothing.",
      first.name, second.name, start->seed);
}

}  // namespace lorry::cli
