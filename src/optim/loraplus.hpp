// optim/loraplus.hpp: learning rates of LoRA+ (Hayou et al. 2024, arXiv:2402.12354): B learns faster than A.
#pragma once
#include <optional>
#include <vector>

#include "optim/parameter.hpp"

namespace lorry::optim {

struct LoraPlus {
  std::optional<double> lr_ratio = std::nullopt;  // rate of B over that of A, at least 1; empty: no LoRA+
  double lr_embedding = 1e-6;                     // rate of both halves of an embedding's update, above 0
};

/// Throws Error if a number is out of range.
void check_loraplus(const LoraPlus& loraplus);

/// Sets lr_factor and decay of each parameter, told by PEFT's names, as PEFT's create_loraplus_optimizer
/// groups them, for a schedule that peaks at `lr` (above 0): halves of an embedding's update get
/// lr_embedding; lora_B, and all vectors, lr_ratio times the rate; biases and the vectors of norms no weight
/// decay.
void apply_loraplus(const LoraPlus& loraplus, double lr, std::vector<Parameter>& parameters);

}  // namespace lorry::optim
