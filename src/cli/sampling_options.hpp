// cli/sampling_options.hpp: how the next token is chosen and where a text ends, for every command that writes
// text.
#pragma once
#include <string>
#include <vector>

#include "cli/option_table.hpp"
#include "generate/generator.hpp"

namespace lorry::cli {

struct SamplingFlags {
  generate::GenerationOptions generation = {};  // stop_ids: the model's, filled by the command
  std::vector<std::string> stop = {};           // for generate::TextStream
};

/// Adds --max-new-tokens, --temperature, --top-k, --top-p, --min-p, --repetition-penalty,
/// --no-repeat-ngram-size, --stop and --seed under "Sampling", with the defaults that `flags` holds.
void add_sampling_options(OptionTable& table, SamplingFlags& flags);

/// Throws Error for an empty stop string; notes on standard error which given options have no effect at
/// temperature 0.
void check_sampling(const OptionTable& table, const SamplingFlags& flags);

}  // namespace lorry::cli
