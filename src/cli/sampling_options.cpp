#include "cli/sampling_options.hpp"

#include <fmt/format.h>

#include "cli/output.hpp"
#include "generate/stop_strings.hpp"

namespace lorry::cli {

void add_sampling_options(OptionTable& table, SamplingFlags& flags) {
  generate::GenerationOptions& options = flags.generation;
  table.group("Sampling");
  table.add("max-new-tokens", "N", bind_integer(options.max_new_tokens, 1), "tokens to write at most");
  table.add("temperature", "X", bind_number(options.sampler.temperature, {.low = 0}),
            "divides the logits: higher is wilder; 0: always the likeliest token");
  table.add("top-k", "N", bind_integer(options.sampler.top_k, 0),
            "draw from the N likeliest tokens; 0: from all");
  table.add("top-p", "P", bind_number(options.sampler.top_p, {.low = 0, .high = 1, .low_open = true}),
            "draw from the fewest tokens that together have this probability");
  table.add("min-p", "P", bind_number(options.sampler.min_p, {.low = 0, .high = 1}),
            "draw from tokens at least P times as likely as the likeliest; 0: from all");
  table.add("repetition-penalty", "X",
            bind_number(options.sampler.history.repetition_penalty, {.low = 0, .low_open = true}),
            "above 1: tokens that the prompt or the text has already become less likely");
  table.add("no-repeat-ngram-size", "N", bind_integer(options.sampler.history.no_repeat_ngram_size, 0),
            "no N tokens in a row come twice, those of the prompt included; 0: they may");
  table.add("stop", "TEXT", bind_texts(flags.stop), "end before this text; may be given several times")
      .repeated = true;
  table.add("seed", "N", bind_seed(options.sampler.seed), "fixes the draws");
}

void check_sampling(const OptionTable& table, const SamplingFlags& flags) {
  const generate::StopStrings checked(flags.stop);
  for (const char* name : {"top-k", "top-p", "min-p"}) {
    if (flags.generation.sampler.temperature > 0 || table.source(name) == Source::kDefault) continue;
    print_note(fmt::format("note: --{} has no effect while --temperature is 0", name));
  }
}

}  // namespace lorry::cli
