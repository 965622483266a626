// cli/lora_options.hpp: how a fresh adapter starts, and what differs from layer to layer, under PEFT's names.
#pragma once
#include "cli/option_table.hpp"
#include "model/peft_config.hpp"

namespace lorry::cli {

/// init-lora-weights. Borrows the config.
void add_start_option(OptionTable& table, model::PeftConfig& lora);

/// exclude-modules, layers-to-transform, layers-pattern, rank-pattern, alpha-pattern. Borrows the config.
void add_selection_options(OptionTable& table, model::PeftConfig& lora);

/// Token ids separated by commas, or NAME=IDS for a table of that name; for Option::repeated.
Binding bind_token_indices(std::vector<model::TokenIndices>& to);

/// Texts separated by commas; for Option::repeated.
Binding bind_new_tokens(std::vector<std::string>& to);

/// "LoRA", "rsLoRA", "DoRA", "DoRA with rsLoRA's scale".
std::string_view method_name(const model::PeftConfig& lora);

}  // namespace lorry::cli
