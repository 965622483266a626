#include "model/embedding_targets.hpp"

#include <algorithm>
#include <iterator>

#include "model/name_pattern.hpp"

namespace lorry::model {

std::vector<std::string> embedding_names(const ModelConfig& model) {
  std::vector<std::string> names = {model.names.root + model.names.embedding};
  if (!model.names.position_embedding.empty()) {
    names.push_back(model.names.root + model.names.position_embedding);
  }
  return names;
}

SplitTargets split_targets(const TargetModules& targets, const ModelConfig& model,
                           const std::vector<std::string>& maps, std::string_view where) {
  SplitTargets split{.embeddings = {}, .linears = targets};
  if (targets.pattern == kAllLinear) return split;
  const std::vector<std::string> all = embedding_names(model);
  if (!targets.pattern.empty()) {
    const NamePattern pattern = NamePattern::whole(targets.pattern, where);
    const auto matches = [&](const std::string& name) { return pattern.matches(name); };
    std::copy_if(all.begin(), all.end(), std::back_inserter(split.embeddings), matches);
    split.any_linears = split.embeddings.empty() || std::any_of(maps.begin(), maps.end(), matches);
    return split;
  }
  std::vector<std::string>& names = split.linears.names;
  for (const std::string& module : all) {
    const auto named = [&](const std::string& name) { return name_selects(name, module); };
    if (std::none_of(names.begin(), names.end(), named)) continue;
    split.embeddings.push_back(module);
    std::erase_if(names, named);
  }
  split.any_linears = split.embeddings.empty() || !names.empty();
  return split;
}

}  // namespace lorry::model
