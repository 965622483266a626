#include "optim/optimizer_config.hpp"

#include <algorithm>
#include <cmath>

#include "core/option_error.hpp"

namespace lorry::optim {
namespace {

void check_use(std::string_view flag, bool given, bool used, OptimizerKind kind) {
  if (!given || used) return;
  throw OptionError("[train] {}: has no effect with --optimizer {}; expected it without", flag,
                    name_of(kind));
}

void check_share(std::string_view flag, const std::optional<double>& share) {
  if (!share || (*share >= 0 && *share < 1)) return;
  throw OptionError("[train] {}: found {}; expected at least 0 and below 1", flag, *share);
}

void check_not_negative(std::string_view flag, double number) {
  if (number >= 0 && std::isfinite(number)) return;
  throw OptionError("[train] {}: found {}; expected a finite number, at least 0", flag, number);
}

}  // namespace

std::string_view name_of(OptimizerKind kind) {
  return std::find_if(kOptimizerNames.begin(), kOptimizerNames.end(),
                      [&](const auto& known) { return known.second == kind; })
      ->first;
}

void check_config(const OptimizerConfig& config) {
  const bool sgd = config.kind == OptimizerKind::kSgd;
  const bool adam = config.kind == OptimizerKind::kAdamW || config.kind == OptimizerKind::kAdamW8bit;
  check_use("--adam-beta1", config.beta1.has_value(), !sgd, config.kind);
  check_use("--adam-beta2", config.beta2.has_value(), !sgd, config.kind);
  check_use("--adam-epsilon", config.eps.has_value(), adam, config.kind);
  check_use("--momentum", config.momentum.has_value(), sgd, config.kind);
  check_use("--nesterov", config.nesterov, sgd, config.kind);
  check_share("--adam-beta1", config.beta1);
  check_share("--adam-beta2", config.beta2);
  check_share("--momentum", config.momentum);
  check_not_negative("--adam-epsilon", config.eps.value_or(0.0));
  check_not_negative("--weight-decay", config.weight_decay);
  if (config.nesterov && config.momentum.value_or(0.0) == 0) {
    throw OptionError("[train] --nesterov: found without --momentum; expected a momentum above 0");
  }
}

}  // namespace lorry::optim
