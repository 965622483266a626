// model/embedding_targets.hpp: which embeddings target_modules selects, apart from linear maps.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "model/config.hpp"
#include "model/target_modules.hpp"

namespace lorry::model {

/// "model.embed_tokens", or GPT-2's "transformer.wte" and "transformer.wpe".
std::vector<std::string> embedding_names(const ModelConfig& model);

/// target_modules taken apart.
struct SplitTargets {
  std::vector<std::string> embeddings;  // selected ones
  TargetModules linears;                // what is left to be matched against linear maps
  bool any_linears = true;              // false: nothing is
};

/// `maps`: names of the linear maps. "all-linear" selects no embedding. `where` begins the message about a
/// malformed pattern.
SplitTargets split_targets(const TargetModules& targets, const ModelConfig& model,
                           const std::vector<std::string>& maps, std::string_view where);

}  // namespace lorry::model
