#include "generate/generator.hpp"

#include <algorithm>
#include <array>

#include "core/clock.hpp"
#include "core/error.hpp"

namespace lorry::generate {

GenerationResult generate(model::Decoder& decoder, std::span<const std::int32_t> prompt,
                          const GenerationOptions& options,
                          const std::function<void(std::int32_t)>& on_token) {
  constexpr Index kMost = Index{1} << 30;  // positions are 32-bit
  LORRY_CHECK(!prompt.empty());
  if (options.max_new_tokens < 0 || options.max_new_tokens > kMost) {
    throw Error("[generate] --max-new-tokens: found {}; expected 0 to {}", options.max_new_tokens, kMost);
  }
  const auto prompt_tokens = static_cast<Index>(prompt.size());
  const Index positions = decoder.config().max_position_embeddings;
  const bool learned = !decoder.config().names.position_embedding.empty();
  if (learned && prompt_tokens + options.max_new_tokens - 1 > positions) {
    throw Error(
        "[generate] --prompt, --max-new-tokens: found {} and {} tokens; expected at most {} together, the "
        "model's positions and one",
        prompt_tokens, options.max_new_tokens, positions + 1);
  }
  GenerationResult result;
  result.prompt_tokens = prompt_tokens;
  if (options.max_new_tokens == 0) return result;
  Sampler sampler(options.sampler);
  // The last new token is never fed back, so it needs no room.
  auto generation = decoder.start_generation(result.prompt_tokens + options.max_new_tokens - 1);
  const Stopwatch prompt_watch;
  std::span<const float> logits = decoder.extend(generation, prompt);
  result.prompt_seconds = prompt_watch.seconds();
  const Stopwatch decode_watch;
  for (;;) {
    const std::array<std::int32_t, 1> next = {sampler.pick(logits)};
    const auto& stops = options.stop_ids;
    result.stopped = std::find(stops.begin(), stops.end(), next[0]) != stops.end();
    if (result.stopped) break;
    result.ids.push_back(next[0]);
    if (on_token) on_token(next[0]);
    if (static_cast<Index>(result.ids.size()) == options.max_new_tokens) break;
    logits = decoder.extend(generation, next);
  }
  result.decode_seconds = decode_watch.seconds();
  return result;
}

}  // namespace lorry::generate
