// layers_test/layer_rules.hpp: the shape of src/ as rules that can fail. Reads text, compiles nothing.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace lorry::layers {

/// A source file longer than this is refused; src/README.md says what to aim for.
inline constexpr int kMaxLines = 600;

/// The level of a folder of src/ (0 is the lowest), or -1 if there is no such folder.
int level_of(const std::string& folder);

/// Every breach of the rules below `source_root`, one line each, sorted; empty if there is none:
///
/// - a folder directly below the root that has no level;
/// - an include of a higher level, or of another folder on the same level;
/// - an include of ops/cpu/ from outside ops/, or from a header of the operator contract (ops/*.hpp);
/// - an include in quotes without its folder, which would escape the rules;
/// - a folder with a name that says nothing (utils and the like), at any depth;
/// - a source file of more than kMaxLines lines.
///
/// Throws std::filesystem::filesystem_error if the root cannot be read.
std::vector<std::string> breaches(const std::filesystem::path& source_root);

}  // namespace lorry::layers
