// generate/beam_search.hpp: the likeliest text of several that are written side by side.
#pragma once
#include <span>

#include "generate/finished_beams.hpp"
#include "generate/generator.hpp"

namespace lorry::generate {

struct BeamSearchResult {
  GenerationResult text;
  float score = 0.0F;  // log-probability (after the history filters) / tokens^length_penalty
};

/// Continues `prompt` (at least one token) as transformers' generate() does with num_beams above 1: at every
/// step the likeliest continuations of all beams run on; those that end with a stop token, and at the limit
/// all, are scored; the best is the result. Of `options.sampler` the history filters act; the temperature
/// must be 0. The prompt passes through the model once. Throws Error for options out of range, more beams
/// than the vocabulary can tell apart, and as generate does.
BeamSearchResult beam_search(model::Decoder& decoder, std::span<const std::int32_t> prompt,
                             const GenerationOptions& options, const BeamOptions& beams);

/// Throws Error if an option is out of range. `sampler` as in beam_search.
void check_options(const BeamOptions& beams, const SamplerOptions& sampler);

}  // namespace lorry::generate
