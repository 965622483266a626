#include "generate/generator.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "core/clock.hpp"
#include "core/error.hpp"

namespace lorry::generate {

namespace {

/// A text that is being written.
struct ActiveText {
  Index number = 0;
  Sampler sampler;
  std::vector<std::int32_t> ids;  // prompt and new tokens
  Stopwatch watch = {};           // since the prompt, then since the first new token
  GenerationResult result = {};
};

class Batch {
 public:
  Batch(model::Decoder& decoder, std::span<const std::vector<std::int32_t>> prompts,
        const GenerationOptions& options, Index batch, const BatchCallbacks& callbacks)
      : decoder_(decoder), prompts_(prompts), options_(options), callbacks_(callbacks) {
    const auto count = std::min(static_cast<std::size_t>(batch), prompts.size());
    slots_.resize(count);
    std::size_t longest = 0;
    for (const auto& prompt : prompts) longest = std::max(longest, prompt.size());
    // The last new token is never fed back, so it needs no room.
    const Index tokens = static_cast<Index>(longest) + options.max_new_tokens - 1;
    generation_.emplace(decoder.start_generation(tokens, static_cast<Index>(count)));
  }

  void run() {
    for (;;) {
      begin_texts();
      parts_.clear();
      for (std::size_t slot = 0; slot < slots_.size(); ++slot) {
        if (slots_[slot]) parts_.push_back({static_cast<Index>(slot), std::span(slots_[slot]->ids).last(1)});
      }
      if (parts_.empty()) return;
      extend_texts();
    }
  }

 private:
  /// Fills empty slots. A prompt passes through the model by itself: its products have the shape that they
  /// would have if it were alone, and so the same bits.
  void begin_texts() {
    for (std::size_t slot = 0; slot < slots_.size(); ++slot) {
      while (!slots_[slot] && next_ < prompts_.size()) {
        const std::vector<std::int32_t>& prompt = prompts_[next_];
        SamplerOptions sampler = options_.sampler;
        sampler.seed += next_;
        slots_[slot].emplace(ActiveText{static_cast<Index>(next_), Sampler(sampler), prompt});
        slots_[slot]->result.prompt_tokens = static_cast<Index>(prompt.size());
        ++next_;
        parts_ = {{static_cast<Index>(slot), prompt}};
        extend_texts();
      }
    }
  }

  /// Passes parts_ through the model, and takes a token for each.
  void extend_texts() {
    const ConstMatrixView logits = decoder_.extend(*generation_, parts_);
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      const Index slot = parts_[i].text;
      std::optional<ActiveText>& text = slots_[static_cast<std::size_t>(slot)];
      const float* row = logits.row<float>(static_cast<Index>(i));
      if (continue_text(*text, {row, static_cast<std::size_t>(logits.cols)})) continue;
      callbacks_.on_done(text->number, text->result);
      text.reset();
      generation_->texts.clear(slot);
    }
  }

  /// Takes the next token; false if the text has ended.
  bool continue_text(ActiveText& text, std::span<const float> logits) {
    GenerationResult& result = text.result;
    if (result.ids.empty()) {
      result.prompt_seconds = text.watch.seconds();
      text.watch = Stopwatch();
    } else {
      ++result.decode_steps;
      result.decode_seconds = text.watch.seconds();
    }
    const std::int32_t next = text.sampler.pick(logits, text.ids);
    const auto& stops = options_.stop_ids;
    result.stopped = std::find(stops.begin(), stops.end(), next) != stops.end();
    if (result.stopped) return false;
    result.ids.push_back(next);
    text.ids.push_back(next);
    result.stopped = callbacks_.on_token && !callbacks_.on_token(text.number, next);
    return !result.stopped && static_cast<Index>(result.ids.size()) < options_.max_new_tokens;
  }

  model::Decoder& decoder_;
  std::span<const std::vector<std::int32_t>> prompts_;
  const GenerationOptions& options_;
  const BatchCallbacks& callbacks_;
  std::vector<std::optional<ActiveText>> slots_;  // by text of the cache
  std::optional<model::Decoder::Generation> generation_;
  std::vector<model::Decoder::TextPart> parts_;
  std::size_t next_ = 0;  // of the prompts
};

void run_batch(model::Decoder& decoder, std::span<const std::vector<std::int32_t>> prompts,
               const GenerationOptions& options, Index batch, const BatchCallbacks& callbacks) {
  if (options.max_new_tokens > 0) {
    return Batch(decoder, prompts, options, batch, callbacks).run();
  }
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    callbacks.on_done(static_cast<Index>(i), {.prompt_tokens = static_cast<Index>(prompts[i].size())});
  }
}

}  // namespace

void check_length(const model::Decoder& decoder, Index prompt_tokens, Index max_new_tokens,
                  const std::string& what) {
  constexpr Index kMost = Index{1} << 30;  // positions are 32-bit
  if (max_new_tokens < 0 || max_new_tokens > kMost) {
    throw Error("[generate] --max-new-tokens: found {}; expected 0 to {}", max_new_tokens, kMost);
  }
  const Index positions = decoder.config().max_position_embeddings;
  const bool learned = !decoder.config().names.position_embedding.empty();
  if (!learned || prompt_tokens + max_new_tokens - 1 <= positions) return;
  throw Error(
      "[generate] {}, --max-new-tokens: found {} and {} tokens; expected at most {} together, the model's "
      "positions and one",
      what, prompt_tokens, max_new_tokens, positions + 1);
}

GenerationResult generate(model::Decoder& decoder, std::span<const std::int32_t> prompt,
                          const GenerationOptions& options, const OnToken& on_token) {
  LORRY_CHECK(!prompt.empty());
  check_length(decoder, static_cast<Index>(prompt.size()), options.max_new_tokens, "--prompt");
  const std::vector<std::int32_t> only(prompt.begin(), prompt.end());
  GenerationResult taken;
  BatchCallbacks callbacks;
  if (on_token) callbacks.on_token = [&](Index /*text*/, std::int32_t id) { return on_token(id); };
  callbacks.on_done = [&](Index /*text*/, const GenerationResult& result) { taken = result; };
  run_batch(decoder, std::span(&only, 1), options, 1, callbacks);
  return taken;
}

void generate_all(model::Decoder& decoder, std::span<const std::vector<std::int32_t>> prompts,
                  const GenerationOptions& options, Index batch, const BatchCallbacks& callbacks) {
  LORRY_CHECK(batch >= 1 && callbacks.on_done);
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    LORRY_CHECK(!prompts[i].empty());
    check_length(decoder, static_cast<Index>(prompts[i].size()), options.max_new_tokens,
                 fmt::format("--data, prompt {}", i + 1));
  }
  if (!prompts.empty()) run_batch(decoder, prompts, options, batch, callbacks);
}

}  // namespace lorry::generate
