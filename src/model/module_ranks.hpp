// model/module_ranks.hpp: the rank and scale of each module's update, as PEFT finds them in a config, and the
// other way round.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/name_pattern.hpp"
#include "model/peft_config.hpp"

namespace lorry::model {

/// Reads r, lora_alpha, use_rslora, rank_pattern and alpha_pattern: the first key that matches a module
/// decides, in the order of the config; r and lora_alpha hold for the others.
class ModuleRanks {
 public:
  /// Throws Error for a key that is no regular expression; `where` begins the message.
  ModuleRanks(const PeftConfig& config, std::string_view where);

  [[nodiscard]] Index rank(const std::string& module) const;
  [[nodiscard]] double alpha(const std::string& module) const;
  /// alpha / rank, or with rsLoRA alpha / sqrt(rank); rounded to what kernels take.
  [[nodiscard]] float scale(const std::string& module) const {
    return static_cast<float>(exact_scale(module));
  }
  [[nodiscard]] double exact_scale(const std::string& module) const;
  /// Throws Error for a key that matches none of `modules`: PEFT warns of it.
  void check_keys(const std::vector<std::string>& modules, std::string_view where) const;

 private:
  template <class T>
  struct Key {
    std::string text;
    NamePattern pattern;
    T value;
  };
  PeftConfig config_;
  std::vector<Key<Index>> ranks_;
  std::vector<Key<double>> alphas_;
};

/// One module's update.
struct ModuleRank {
  std::string module;
  Index rank = 0;
  float scale = 0;
};

/// `config` with r, lora_alpha and patterns by which ModuleRanks gives exactly `modules`. As it is where it
/// does so already; else r and lora_alpha are those of most modules and the patterns name the others.
PeftConfig with_module_ranks(PeftConfig config, std::span<const ModuleRank> modules);

}  // namespace lorry::model
