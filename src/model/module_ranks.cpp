#include "model/module_ranks.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "core/error.hpp"
#include "io/message_text.hpp"
#include "model/name_pattern.hpp"

namespace lorry::model {

namespace {

/// The value of the first key that matches.
template <class Keys, class T>
T first_match(const Keys& keys, const std::string& module, T otherwise) {
  const auto found =
      std::find_if(keys.begin(), keys.end(), [&](const auto& key) { return key.pattern.matches(module); });
  return found == keys.end() ? otherwise : found->value;
}

template <class Keys>
void check(const Keys& keys, const char* field, const std::vector<std::string>& modules,
           std::string_view where) {
  for (const auto& key : keys) {
    if (std::any_of(modules.begin(), modules.end(),
                    [&](const std::string& module) { return key.pattern.matches(module); })) {
      continue;
    }
    throw Error("{} \"{}\": key {} matches none of the chosen layers; expected one like \"{}\"", where, field,
                io::in_quotes(key.text), modules.front());
  }
}

/// The alpha that gives `scale` at `rank`: a whole number where one does. The product is exact, since a float
/// times a rank fits a double; with rsLoRA its rounding vanishes in the float that the quotient becomes.
double alpha_of(const ModuleRank& module, const PeftConfig& config) {
  const double divisor = config.rank_divisor(module.rank);
  const double exact = static_cast<double>(module.scale) * divisor;
  const double whole = std::round(exact);
  return static_cast<float>(whole / divisor) == module.scale ? whole : exact;
}

/// The most frequent value; of several, the smallest.
template <class T>
T most_frequent(const std::vector<T>& values) {
  std::map<T, Index> counts;
  for (const T& value : values) ++counts[value];
  return std::max_element(counts.begin(), counts.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

/// Keys for every module whose value is not `usual`: "c_attn" where all of that name agree, else full names.
template <class T>
ModulePattern<T> exceptions(std::span<const ModuleRank> modules, const std::vector<T>& values, T usual) {
  std::map<std::string, std::set<T>> by_part;
  for (std::size_t i = 0; i < modules.size(); ++i) by_part[last_part(modules[i].module)].insert(values[i]);
  ModulePattern<T> pattern;
  for (std::size_t i = 0; i < modules.size(); ++i) {
    if (values[i] == usual) continue;
    const std::string part = last_part(modules[i].module);
    const std::string key = by_part.at(part).size() == 1 ? part : modules[i].module;
    const bool listed =
        std::any_of(pattern.begin(), pattern.end(), [&](const auto& entry) { return entry.first == key; });
    if (!listed) pattern.emplace_back(key, values[i]);
  }
  return pattern;
}

}  // namespace

ModuleRanks::ModuleRanks(const PeftConfig& config, std::string_view where) : config_(config) {
  for (const auto& [text, rank] : config.rank_pattern) {
    ranks_.push_back({text, NamePattern::key(text, fmt::format("{} \"rank_pattern\"", where)), rank});
  }
  for (const auto& [text, alpha] : config.alpha_pattern) {
    alphas_.push_back({text, NamePattern::key(text, fmt::format("{} \"alpha_pattern\"", where)), alpha});
  }
}

Index ModuleRanks::rank(const std::string& module) const {
  return first_match(ranks_, module, config_.r);
}

double ModuleRanks::alpha(const std::string& module) const {
  return first_match(alphas_, module, config_.lora_alpha);
}

double ModuleRanks::exact_scale(const std::string& module) const {
  return alpha(module) / config_.rank_divisor(rank(module));
}

void ModuleRanks::check_keys(const std::vector<std::string>& modules, std::string_view where) const {
  check(ranks_, "rank_pattern", modules, where);
  check(alphas_, "alpha_pattern", modules, where);
}

PeftConfig with_module_ranks(PeftConfig config, std::span<const ModuleRank> modules) {
  const ModuleRanks told(config, "[lora]");
  const bool right = std::all_of(modules.begin(), modules.end(), [&](const ModuleRank& module) {
    return told.rank(module.module) == module.rank && told.scale(module.module) == module.scale;
  });
  if (right) return config;
  std::vector<Index> ranks;
  std::vector<double> alphas;
  for (const ModuleRank& module : modules) {
    ranks.push_back(module.rank);
    alphas.push_back(alpha_of(module, config));
  }
  config.r = most_frequent(ranks);
  config.lora_alpha = most_frequent(alphas);
  config.rank_pattern = exceptions(modules, ranks, config.r);
  config.alpha_pattern = exceptions(modules, alphas, config.lora_alpha);
  return config;
}

}  // namespace lorry::model
