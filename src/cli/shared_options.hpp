// cli/shared_options.hpp: options that several commands have, with the same names and words.
#pragma once
#include <filesystem>
#include <optional>

#include "cli/option_table.hpp"
#include "model/target_modules.hpp"
#include "tensor/dtype.hpp"

namespace lorry::cli {

/// Adds --model (required) and --adapter under "Model".
void add_model_options(OptionTable& table, std::filesystem::path& model, std::filesystem::path& adapter,
                       std::string adapter_help);
/// Adds --dtype and --threads under "Computing".
void add_compute_options(OptionTable& table, std::optional<DType>& dtype, Index& threads);
/// Adds --threads: 1 to 1024; left out, `threads` stays 0, which everywhere means all.
void add_threads_option(OptionTable& table, Index& threads);
/// Adds --json under "Output".
void add_json_option(OptionTable& table, bool& json, std::string help);

/// "all-linear", names separated by commas, or a regular expression.
Binding bind_targets(model::TargetModules& to);

/// "f32" or "bf16", as the flag spells it.
std::string_view dtype_word(DType dtype);

}  // namespace lorry::cli
