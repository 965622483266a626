// optim/optimizer_config.hpp: which optimiser, and its numbers, as plain data.
#pragma once
#include <array>
#include <optional>
#include <string_view>
#include <utility>

namespace lorry::optim {

enum class OptimizerKind { kAdamW, kAdamW8bit, kSgd, kLion };

/// What users call them. The first name of a kind is its own; the others are those of transformers. Paging
/// (bitsandbytes) moves states out of a GPU's memory; here they are in main memory, which is paged anyway.
inline constexpr std::array<std::pair<std::string_view, OptimizerKind>, 11> kOptimizerNames = {
    {{"adamw", OptimizerKind::kAdamW},
     {"adamw_8bit", OptimizerKind::kAdamW8bit},
     {"sgd", OptimizerKind::kSgd},
     {"lion", OptimizerKind::kLion},
     {"adamw_torch", OptimizerKind::kAdamW},
     {"adamw_torch_fused", OptimizerKind::kAdamW},
     {"paged_adamw_32bit", OptimizerKind::kAdamW},
     {"adamw_bnb_8bit", OptimizerKind::kAdamW8bit},
     {"paged_adamw_8bit", OptimizerKind::kAdamW8bit},
     {"lion_32bit", OptimizerKind::kLion},
     {"paged_lion_32bit", OptimizerKind::kLion}}};
inline constexpr std::size_t kOptimizerKinds = 4;  // of these names, those that are no alias

std::string_view name_of(OptimizerKind kind);

/// A number given to a kind that has no use for it is an Error.
struct OptimizerConfig {
  OptimizerKind kind = OptimizerKind::kAdamW;
  std::optional<double> beta1 = std::nullopt;     // AdamW, Lion: in [0, 1); default 0.9
  std::optional<double> beta2 = std::nullopt;     // AdamW, Lion: in [0, 1); default 0.999, Lion 0.99
  std::optional<double> eps = std::nullopt;       // AdamW: at least 0; default 1e-8
  std::optional<double> momentum = std::nullopt;  // SGD: in [0, 1); default 0
  bool nesterov = false;                          // SGD, with momentum
  double weight_decay = 0.01;                     // at least 0; only where Parameter::decay
};

/// Throws Error if a number is out of range or would be ignored.
void check_config(const OptimizerConfig& config);

}  // namespace lorry::optim
