// model/target_modules.hpp: which linear maps get an update, by PEFT's matching rules.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace lorry::model {

/// PEFT's `target_modules`: either a list of names or one regular expression.
struct TargetModules {
  std::vector<std::string> names;  // each matches a module of that full name, or one ending in "." + name
  std::string pattern;             // not empty: a Python-style expression that must match a whole module name

  bool operator==(const TargetModules&) const = default;
};

/// Whether `module` has the full name `name`, or one ending in "." + name.
bool name_selects(const std::string& name, const std::string& module);
/// The names of "q_proj, v_proj"; those that are empty are left out.
std::vector<std::string> split_names(std::string_view text);

/// Reads what a user types: "all-linear", names separated by commas, or a regular expression (anything that
/// holds a character that no module name has).
TargetModules parse_target_modules(std::string_view text);

/// "q_proj,v_proj", or the pattern: what parse_target_modules takes back.
std::string format_target_modules(const TargetModules& targets);

/// All linear maps but the head: the default, and "all-linear" in PEFT.
inline constexpr std::string_view kAllLinear = "all-linear";

/// What a name among several that matches nothing means: a mistake of the user, or a file made for a wider
/// choice of models, which PEFT lets pass.
enum class UnmatchedName { kRefuse, kIgnore };

/// The members of `modules` that `targets` selects, in the order of `modules`. `head` names the output layer,
/// which "all-linear" leaves out. `where` starts the message ("[lora] --target-modules"). Throws Error
/// listing what exists if nothing matches, or a name matches nothing, or the pattern is malformed.
std::vector<std::string> match_modules(const TargetModules& targets, const std::vector<std::string>& modules,
                                       std::string_view head, std::string_view where,
                                       UnmatchedName unmatched = UnmatchedName::kRefuse);

}  // namespace lorry::model
