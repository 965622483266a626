#include "model/fused_parts.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "core/error.hpp"
#include "io/message_text.hpp"

namespace lorry::model {

namespace {

struct PartNames {
  std::string_view name;   // behind the map's
  std::string_view alias;  // as families with separate maps call it
};
constexpr std::array kNames = {PartNames{"q", "q_proj"}, PartNames{"k", "k_proj"}, PartNames{"v", "v_proj"}};

std::string_view last_word(std::string_view name) {
  return name.substr(name.rfind('.') + 1);
}

/// Whether `name` is spelled like a part, "c_attn.q", and no linear map is called so.
bool names_no_map_but_a_part(std::string_view name, const std::vector<std::string>& maps) {
  const std::string_view last = last_word(name);
  const bool like_a_part =
      last.size() < name.size() &&
      std::any_of(kNames.begin(), kNames.end(), [&](const PartNames& names) { return names.name == last; });
  return like_a_part && std::none_of(maps.begin(), maps.end(), [&](const std::string& map) {
           return map == name || map.ends_with("." + std::string(name));
         });
}

}  // namespace

std::vector<FusedPart> fused_parts(const ModelConfig& config) {
  std::vector<FusedPart> parts;
  if (config.names.qkv.size() != 1) return parts;
  const Index q = config.q_width();
  const Index k = config.k_width();
  for (Index layer = 0; layer < config.num_hidden_layers; ++layer) {
    const std::string map = config.block_name(layer) + config.names.qkv.front();
    Index first = 0;
    for (const PartNames& names : kNames) {
      const Index outputs = first == 0 ? q : k;
      parts.push_back({map, std::string(names.name), first, outputs, q + 2 * k});
      first += outputs;
    }
  }
  return parts;
}

std::string part_name(const std::vector<FusedPart>& parts, std::string_view name) {
  const std::string_view last = last_word(name);
  const auto* const found =
      std::find_if(kNames.begin(), kNames.end(), [&](const PartNames& names) { return names.alias == last; });
  if (parts.empty() || found == kNames.end()) return std::string(name);
  std::string result(name.substr(0, name.size() - last.size()));
  return result.append(last_word(parts.front().map)).append(".").append(found->name);
}

std::vector<std::string> match_maps_and_parts(const TargetModules& targets, const ModuleFilter& filter,
                                              const std::vector<std::string>& maps,
                                              const std::vector<FusedPart>& parts, std::string_view head,
                                              std::string_view where) {
  for (const std::string& name : targets.names) {
    if (!parts.empty() || !names_no_map_but_a_part(name, maps)) continue;
    throw Error(
        "{} target_modules: found {}; this model has no fused maps to adapt by parts, but maps like \"{}\"",
        where, io::in_quotes(name), maps.front());
  }
  std::vector<std::string> modules = maps;
  for (const FusedPart& part : parts) modules.push_back(part.module());
  TargetModules spelled = targets;
  for (std::string& name : spelled.names) name = part_name(parts, name);
  std::vector<std::string> chosen =
      match_modules(spelled, modules, head, fmt::format("{} target_modules", where));
  ModuleFilter spelled_filter = filter;
  for (std::string& name : spelled_filter.exclude_modules.names) name = part_name(parts, name);
  chosen = filter_modules(chosen, spelled, spelled_filter, modules, where, UnmatchedName::kRefuse);
  const std::set<std::string> all(chosen.begin(), chosen.end());
  for (const FusedPart& part : parts) {
    if (!all.contains(part.map) || !all.contains(part.module())) continue;
    if (!targets.names.empty()) {
      throw Error("{} target_modules: found {} and its part {}; expected a map as a whole or parts of it",
                  where, part.map, part.module());
    }
    std::erase(chosen, part.module());
  }
  return chosen;
}

}  // namespace lorry::model
