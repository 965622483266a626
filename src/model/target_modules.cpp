#include "model/target_modules.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "core/error.hpp"
#include "model/name_pattern.hpp"

namespace lorry::model {

namespace {

[[noreturn]] void fail(std::string_view where, std::string_view what,
                       const std::vector<std::string>& modules) {
  const std::set<std::string> all(modules.begin(), modules.end());
  std::set<std::string> parts;
  for (const std::string& module : modules) {
    // Of a part of a map, as of "c_attn.q", the last word alone would say little.
    const std::string outer = module.substr(0, module.size() - last_part(module).size());
    const bool of_a_map = !outer.empty() && all.contains(outer.substr(0, outer.size() - 1));
    parts.insert(of_a_map ? last_part(outer.substr(0, outer.size() - 1)) + "." + last_part(module)
                          : last_part(module));
  }
  throw Error("{}: \"{}\" matches no linear layer of this model; it has: {} (full names like \"{}\")", where,
              what, fmt::join(parts, ", "), modules.front());
}

}  // namespace

bool name_selects(const std::string& name, const std::string& module) {
  return module == name || module.ends_with("." + name);
}

std::vector<std::string> split_names(std::string_view text) {
  std::vector<std::string> names;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    std::string_view name = text.substr(begin, end - begin);
    while (!name.empty() && name.front() == ' ') name.remove_prefix(1);
    while (!name.empty() && name.back() == ' ') name.remove_suffix(1);
    if (!name.empty()) names.emplace_back(name);
    begin = end + 1;
  }
  return names;
}

TargetModules parse_target_modules(std::string_view text) {
  const bool is_pattern = text.find_first_of("\\*+?()[]{}|^$") != std::string_view::npos;
  if (text == kAllLinear || is_pattern) return {.names = {}, .pattern = std::string(text)};
  return {.names = split_names(text), .pattern = {}};
}

std::string format_target_modules(const TargetModules& targets) {
  return targets.pattern.empty() ? fmt::format("{}", fmt::join(targets.names, ",")) : targets.pattern;
}

std::vector<std::string> match_modules(const TargetModules& targets, const std::vector<std::string>& modules,
                                       std::string_view head, std::string_view where,
                                       UnmatchedName unmatched) {
  std::vector<std::string> chosen;
  if (targets.pattern == kAllLinear) {
    std::copy_if(modules.begin(), modules.end(), std::back_inserter(chosen),
                 [&](const std::string& module) { return module != head; });
    return chosen;
  }
  if (!targets.pattern.empty()) {
    const NamePattern pattern = NamePattern::whole(targets.pattern, where);
    std::copy_if(modules.begin(), modules.end(), std::back_inserter(chosen),
                 [&](const std::string& module) { return pattern.matches(module); });
    if (chosen.empty()) fail(where, targets.pattern, modules);
    return chosen;
  }
  if (targets.names.empty()) fail(where, "", modules);
  for (const std::string& name : targets.names) {
    if (unmatched == UnmatchedName::kRefuse &&
        std::none_of(modules.begin(), modules.end(),
                     [&](const std::string& m) { return name_selects(name, m); })) {
      fail(where, name, modules);
    }
  }
  std::copy_if(modules.begin(), modules.end(), std::back_inserter(chosen), [&](const std::string& module) {
    return std::any_of(targets.names.begin(), targets.names.end(),
                       [&](const std::string& name) { return name_selects(name, module); });
  });
  if (chosen.empty()) fail(where, targets.names.front(), modules);
  return chosen;
}

}  // namespace lorry::model
