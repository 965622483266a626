// model/module_filter.hpp: which of the layers that target_modules selects are left out again, by PEFT's
// rules.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "core/index.hpp"
#include "model/target_modules.hpp"

namespace lorry::model {

/// PEFT's exclude_modules, layers_to_transform and layers_pattern.
struct ModuleFilter {
  TargetModules exclude_modules;            // names or an expression; "all-linear" means nothing here
  std::vector<Index> layers_to_transform;   // numbers of layers; empty: all
  std::vector<std::string> layers_pattern;  // what stands before a layer's number; empty: any word

  bool operator==(const ModuleFilter&) const = default;
};

/// `chosen` without what `filter` leaves out. As in PEFT a module that `targets` names in full stays whatever
/// its layer is, and the number of a layer is the first one in a name that follows a word (of
/// layers_pattern). `where` begins messages ("[lora]"). With kRefuse, what fits none of `modules`, all that
/// there are, is an Error; a malformed expression, and a filter that leaves nothing, always are.
std::vector<std::string> filter_modules(const std::vector<std::string>& chosen, const TargetModules& targets,
                                        const ModuleFilter& filter, const std::vector<std::string>& modules,
                                        std::string_view where, UnmatchedName unmatched);

}  // namespace lorry::model
