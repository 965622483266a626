#include "model/module_filter.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <set>

#include "core/error.hpp"
#include "io/message_text.hpp"
#include "model/name_pattern.hpp"

namespace lorry::model {

namespace {

/// The number of the layer that a module belongs to; nothing where its name has none.
class LayerNumbers {
 public:
  LayerNumbers(const ModuleFilter& filter, std::string_view where) {
    if (filter.layers_pattern.empty()) patterns_.push_back(NamePattern::any_layer());
    patterns_.reserve(filter.layers_pattern.size() + 1);
    for (const std::string& word : filter.layers_pattern) {
      patterns_.push_back(NamePattern::layer(word, fmt::format("{} layers_pattern", where)));
    }
  }

  [[nodiscard]] std::optional<Index> of(const std::string& module) const {
    for (const NamePattern& pattern : patterns_) {
      if (const std::optional<Index> number = pattern.layer_number(module)) return number;
    }
    return std::nullopt;
  }

  /// Throws Error for a word of the filter, or a number, that no module has.
  void check(const ModuleFilter& filter, const std::vector<std::string>& modules,
             std::string_view where) const {
    std::set<Index> known;
    for (const std::string& module : modules) {
      if (const std::optional<Index> number = of(module)) known.insert(*number);
    }
    for (std::size_t i = 0; i < filter.layers_pattern.size(); ++i) {
      const bool fits = std::any_of(modules.begin(), modules.end(), [&](const std::string& module) {
        return patterns_[i].layer_number(module).has_value();
      });
      if (fits) continue;
      throw Error(
          "{} layers_pattern: {} matches no layer of this model; expected the word before a number in {}",
          where, io::in_quotes(filter.layers_pattern[i]), io::in_quotes(modules.front()));
    }
    for (const Index layer : filter.layers_to_transform) {
      if (known.contains(layer)) continue;
      throw Error("{} layers_to_transform: found {}; this model has layers {} to {}", where, layer,
                  *known.begin(), *known.rbegin());
    }
  }

 private:
  std::vector<NamePattern> patterns_;
};

/// Whether `excluded` matches a module, and whether it matches any of `modules`: else it is a mistake.
std::function<bool(const std::string&)> exclusion(const TargetModules& excluded,
                                                  const std::vector<std::string>& modules,
                                                  std::string_view where, UnmatchedName unmatched) {
  const std::string field = fmt::format("{} exclude_modules", where);
  const auto check = [&](const std::string& text, const auto& matches) {
    if (unmatched == UnmatchedName::kIgnore || std::any_of(modules.begin(), modules.end(), matches)) return;
    throw Error("{}: {} matches no linear layer of this model; expected one like {}", field,
                io::in_quotes(text), io::in_quotes(modules.front()));
  };
  if (!excluded.pattern.empty()) {
    const auto pattern = std::make_shared<NamePattern>(NamePattern::whole(excluded.pattern, field));
    const auto matches = [pattern](const std::string& module) { return pattern->matches(module); };
    check(excluded.pattern, matches);
    return matches;
  }
  for (const std::string& name : excluded.names) {
    check(name, [&](const std::string& module) { return name_selects(name, module); });
  }
  return [names = excluded.names](const std::string& module) {
    return std::any_of(names.begin(), names.end(),
                       [&](const std::string& name) { return name_selects(name, module); });
  };
}

}  // namespace

std::vector<std::string> filter_modules(const std::vector<std::string>& chosen, const TargetModules& targets,
                                        const ModuleFilter& filter, const std::vector<std::string>& modules,
                                        std::string_view where, UnmatchedName unmatched) {
  if (filter == ModuleFilter()) return chosen;
  const auto excluded = exclusion(filter.exclude_modules, modules, where, unmatched);
  const LayerNumbers numbers(filter, where);
  if (unmatched == UnmatchedName::kRefuse) numbers.check(filter, modules, where);
  const auto in_layers = [&](const std::string& module) {
    const auto& layers = filter.layers_to_transform;
    const auto& names = targets.names;
    if (layers.empty() || std::find(names.begin(), names.end(), module) != names.end()) return true;
    const std::optional<Index> number = numbers.of(module);
    return number && std::find(layers.begin(), layers.end(), *number) != layers.end();
  };
  std::vector<std::string> kept;
  std::copy_if(chosen.begin(), chosen.end(), std::back_inserter(kept),
               [&](const std::string& module) { return !excluded(module) && in_layers(module); });
  if (!kept.empty()) return kept;
  std::string_view fields = "exclude_modules and layers_to_transform: leave";
  if (filter.layers_to_transform.empty()) fields = "exclude_modules: leaves";
  if (filter.exclude_modules == TargetModules()) fields = "layers_to_transform: leaves";
  throw Error("{} {} none of the {} layers that target_modules selects", where, fields, chosen.size());
}

}  // namespace lorry::model
