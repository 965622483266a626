// generate/generator.hpp: texts from prompts, token by token, with a key/value cache.
#pragma once
#include <functional>
#include <span>
#include <vector>

#include "generate/sampler.hpp"
#include "model/decoder.hpp"

namespace lorry::generate {

struct GenerationOptions {
  Index max_new_tokens = 256;
  SamplerOptions sampler = {};
  std::vector<std::int32_t> stop_ids = {};  // generation ends before the first of these: the model's EOS
};

struct GenerationResult {
  std::vector<std::int32_t> ids = {};  // the new tokens, without the stop token
  bool stopped = false;                // by a stop token or by on_token, not by the limit
  Index prompt_tokens = 0;
  double prompt_seconds = 0;  // until the first new token is known
  Index decode_steps = 0;     // new tokens that were fed back
  double decode_seconds = 0;  // for these
};

/// Told each new token as it comes; false ends the text behind this token.
using OnToken = std::function<bool(std::int32_t id)>;

/// Continues `prompt` (at least one token). `on_token` may be empty. Throws Error if prompt and
/// max_new_tokens exceed the positions of a model that has learned ones.
GenerationResult generate(model::Decoder& decoder, std::span<const std::int32_t> prompt,
                          const GenerationOptions& options, const OnToken& on_token = {});

struct BatchCallbacks {
  /// Told each new token of prompts[text]; false ends that text behind this token. May be empty.
  std::function<bool(Index text, std::int32_t id)> on_token = {};
  /// Told each text once, as they end: in any order.
  std::function<void(Index text, const GenerationResult& result)> on_done = {};
};

/// Continues every prompt, at most `batch` of them at a time: their next tokens are rows of the same
/// products. Where a text ends, the next prompt begins. Text i draws with seed + i and gets the tokens that
/// it would get alone: bit for bit where the products do not depend on the number of rows (up to ops/cpu's
/// kMatvecRows texts, and any number by ops::Integers::kDots), else but for rounding, by which a choice
/// between tokens that are equally likely may fall otherwise. Throws Error as generate does, before anything
/// is generated.
void generate_all(model::Decoder& decoder, std::span<const std::vector<std::int32_t>> prompts,
                  const GenerationOptions& options, Index batch, const BatchCallbacks& callbacks);

/// Throws Error, naming `what`, if max_new_tokens is out of range or too many behind a prompt of that many
/// tokens.
void check_length(const model::Decoder& decoder, Index prompt_tokens, Index max_new_tokens,
                  const std::string& what);

}  // namespace lorry::generate
