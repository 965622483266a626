// model/fused_parts.hpp: the parts of fused maps by name. GPT-2 makes q, k and v in one map, c_attn;
// "attn.c_attn.q" is the part that makes q, and takes a low-rank update of its own, as loralib's MergedLinear
// does. How files hold such updates: model/stacked_parts.hpp.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "model/config.hpp"
#include "model/module_filter.hpp"
#include "model/target_modules.hpp"

namespace lorry::model {

/// Some neighbouring outputs of a linear map that serve one purpose.
struct FusedPart {
  std::string map;        // "transformer.h.0.attn.c_attn"
  std::string name;       // "q"
  Index first = 0;        // of the map's outputs that are the part's own
  Index outputs = 0;      // how many
  Index map_outputs = 0;  // of the whole map

  /// What updates are called and targets match: "transformer.h.0.attn.c_attn.q".
  [[nodiscard]] std::string module() const { return map + "." + name; }

  bool operator==(const FusedPart&) const = default;
};

/// The parts of every fused map, in model order; empty where q, k and v have maps of their own.
std::vector<FusedPart> fused_parts(const ModelConfig& config);

/// `name` as fused_parts spells it: on a model with fused maps "q_proj" is "c_attn.q", with all that precedes
/// it; other names, and all names where `parts` is empty, are as they were.
std::string part_name(const std::vector<FusedPart>& parts, std::string_view name);

/// The linear maps and parts that `targets` selects, by match_modules' rules, and `filter` leaves.
/// "all-linear" means whole maps, and so does a pattern that matches a map together with its parts. Throws
/// Error as match_modules does, where a list selects a map and a part of it, and for a part where there are
/// none.
std::vector<std::string> match_maps_and_parts(const TargetModules& targets, const ModuleFilter& filter,
                                              const std::vector<std::string>& maps,
                                              const std::vector<FusedPart>& parts, std::string_view head,
                                              std::string_view where);

}  // namespace lorry::model
