// cli/yaml_text.hpp: YAML files as text that options are read from, with the line of every mistake.
#pragma once
#include <yaml-cpp/yaml.h>

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace lorry::cli {

/// Parses a small file. Throws Error with the line of what is malformed.
YAML::Node parse_yaml(const std::filesystem::path& file);

/// What a message about `node` begins with: "[config] train.yaml:3".
std::string yaml_place(const std::filesystem::path& file, const YAML::Node& node);

/// Goes through a mapping in its order; `where` is the key's place. Throws Error for a key that is not a
/// word, or comes twice (dashes and underscores are the same).
void for_each_key(const std::filesystem::path& file, const YAML::Node& mapping,
                  const std::function<void(const std::string& key, const YAML::Node& value,
                                           const std::string& where)>& take);

/// A scalar as it is; a list of scalars with commas between them. Throws Error, beginning with `where` and
/// ending with `expected`, for anything else.
std::string yaml_text(const YAML::Node& value, std::string_view expected, const std::string& where);

}  // namespace lorry::cli
