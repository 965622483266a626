#include "optim/loraplus.hpp"

#include <cmath>
#include <string_view>

#include "core/check.hpp"
#include "core/option_error.hpp"

namespace lorry::optim {
namespace {

bool contains(std::string_view name, std::string_view part) {
  return name.find(part) != std::string_view::npos;
}

/// One dimension in PEFT's files; here all are matrices, and vectors have one row.
bool is_vector(const Parameter& parameter) {
  const std::string_view name = parameter.name;
  const bool matrix =
      contains(name, "lora_A") || contains(name, "lora_B.weight") || contains(name, "trainable_tokens");
  return parameter.value.rows == 1 && !matrix;
}

}  // namespace

void check_loraplus(const LoraPlus& loraplus) {
  const double ratio = loraplus.lr_ratio.value_or(1.0);
  if (!(ratio >= 1) || !std::isfinite(ratio)) {
    throw OptionError("[train] --loraplus-lr-ratio: found {}; expected a finite number, at least 1", ratio);
  }
  if (!(loraplus.lr_embedding > 0) || !std::isfinite(loraplus.lr_embedding)) {
    throw OptionError("[train] --loraplus-lr-embedding: found {}; expected a finite number above 0",
                      loraplus.lr_embedding);
  }
}

void apply_loraplus(const LoraPlus& loraplus, double lr, std::vector<Parameter>& parameters) {
  if (!loraplus.lr_ratio) return;
  LORRY_CHECK(lr > 0);
  for (Parameter& parameter : parameters) {
    const std::string_view name = parameter.name;
    if (contains(name, "lora_embedding_")) {
      parameter.lr_factor = loraplus.lr_embedding / lr;
    } else if (contains(name, "lora_B") || is_vector(parameter)) {
      parameter.lr_factor = *loraplus.lr_ratio;
      const bool norm = is_vector(parameter) && !contains(name, "lora_magnitude_vector");
      if (contains(name, "bias") || norm) parameter.decay = false;
    }
  }
}

}  // namespace lorry::optim
