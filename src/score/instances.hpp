// score/instances.hpp: what was written, and what people wrote in its place.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "score/tokens_13a.hpp"

namespace lorry::score {

struct Instance {
  std::string hypothesis;
  std::vector<std::string> references;  // at least one
};

/// An instance in words.
struct WordInstance {
  Words hypothesis;
  std::vector<Words> references;
};

/// Hypotheses: a `.jsonl` of {"completion"}, as `lorry generate --data` writes it, or a text file with one a
/// line. References: a `.jsonl` of {"references": [...]}, or of {"prompt", "completion"} where records of
/// the same prompt are references of one instance, in the order in which prompts first come; or a text file
/// with one a line and an empty line between instances.
///
/// Where both files have prompts they are matched by them (of several hypotheses for a prompt the first
/// counts); else by their order. Throws Error with file and line for what is malformed or missing, for counts
/// that differ and for files that hold nothing.
std::vector<Instance> read_instances(const std::filesystem::path& hypotheses,
                                     const std::filesystem::path& references);

}  // namespace lorry::score
