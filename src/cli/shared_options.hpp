// cli/shared_options.hpp: options that several commands have, with the same names and words.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/option_table.hpp"
#include "model/target_modules.hpp"
#include "nn/context.hpp"
#include "tensor/dtype.hpp"

namespace lorry::cli {

/// The default of --max-seq-length, in words.
inline constexpr const char* kSequenceDefault = "2048, or the model's positions where those are fewer";

/// Adds --model and --adapter under "Model"; one of them is required, see use_base_model.
void add_model_options(OptionTable& table, std::filesystem::path& model, std::filesystem::path& adapter,
                       std::string adapter_help);
/// Where --model was left out, sets it to the model that the adapter names, and says so. Throws Error where
/// there is none.
void use_base_model(std::filesystem::path& model, const std::filesystem::path& adapter);
/// How a model is computed with.
struct ComputeFlags {
  std::optional<DType>& dtype;
  nn::Int8Products& int8;
  Index& threads;
};
/// Adds --dtype, --compute and --threads under "Computing".
void add_compute_options(OptionTable& table, ComputeFlags flags);
/// How text is generated with a model.
struct GenerationComputeFlags {
  std::optional<DType>& dtype;
  std::optional<nn::Int8Products>& compute;  // as model::prepare_generation has it
  Index& threads;
};
/// The same with --compute auto.
void add_compute_options(OptionTable& table, GenerationComputeFlags flags);
/// Adds --memory-budget under the group at hand.
void add_memory_option(OptionTable& table, std::optional<Index>& budget);
/// The same of a command that goes through a model or an adapter piece by piece anyway.
void add_piecewise_memory_option(OptionTable& table, std::optional<Index>& budget);
/// Adds --threads: 1 to 1024; left out, `threads` stays 0, which everywhere means all.
void add_threads_option(OptionTable& table, Index& threads);
/// Adds --json under "Output".
void add_json_option(OptionTable& table, bool& json, std::string help);

/// "all-linear", names separated by commas, or a regular expression.
Binding bind_targets(model::TargetModules& to);

/// Names separated by commas; empty: none.
Binding bind_names(std::vector<std::string>& to);

/// "f32" or "bf16", as the flag spells it.
std::string_view dtype_word(DType dtype);

}  // namespace lorry::cli
