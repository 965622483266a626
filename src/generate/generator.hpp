// generate/generator.hpp: text from a prompt, token by token, with a key/value cache.
#pragma once
#include <functional>
#include <span>
#include <vector>

#include "generate/sampler.hpp"
#include "model/decoder.hpp"

namespace lorry::generate {

struct GenerationOptions {
  Index max_new_tokens = 256;
  SamplerOptions sampler;
  std::vector<std::int32_t> stop_ids;  // generation ends before the first of these: the model's EOS tokens
};

struct GenerationResult {
  std::vector<std::int32_t> ids;  // the new tokens, without the stop token
  bool stopped = false;           // by a stop token, not by the limit
  Index prompt_tokens = 0;
  double prompt_seconds = 0;  // until the first new token is known
  double decode_seconds = 0;  // for the rest
};

/// Continues `prompt` (at least one token). `on_token` (may be empty) is called with each new token as it
/// comes. Throws Error if prompt and max_new_tokens exceed the positions of a model that has learned ones.
GenerationResult generate(model::Decoder& decoder, std::span<const std::int32_t> prompt,
                          const GenerationOptions& options,
                          const std::function<void(std::int32_t)>& on_token = {});

}  // namespace lorry::generate
