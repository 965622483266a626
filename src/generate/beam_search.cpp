#include "generate/beam_search.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/option_error.hpp"
#include "generate/likeliest.hpp"

namespace lorry::generate {

namespace {

/// A text that may still grow.
struct Beam {
  std::vector<std::int32_t> ids;  // new tokens; the last is not yet fed
  float log_probability = 0.0F;   // sum over ids
  Index slot = 0;                 // the text of the cache that holds it
};

/// One more token for a beam.
struct Continuation {
  float log_probability = 0.0F;  // of beam and token
  Index beam = 0;
  std::int32_t id = 0;

  /// Likelier; of equals the one that comes first.
  bool operator<(const Continuation& other) const {
    if (log_probability != other.log_probability) return log_probability > other.log_probability;
    return beam != other.beam ? beam < other.beam : id < other.id;
  }
};

/// Replaces logits by log-probabilities.
void log_softmax(std::span<float> logits) {
  const double top = logits[static_cast<std::size_t>(find_likeliest(logits))];
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - top);
  const double log_sum = top + std::log(sum);
  for (float& logit : logits) logit = static_cast<float>(static_cast<double>(logit) - log_sum);
}

class Search {
 public:
  Search(model::Decoder& decoder, std::span<const std::int32_t> prompt, const GenerationOptions& options,
         const BeamOptions& beams)
      : decoder_(decoder),
        prompt_(prompt.begin(), prompt.end()),
        options_(options),
        num_beams_(beams.num_beams),
        finished_(beams, options.max_new_tokens),
        generation_(decoder.start_generation(static_cast<Index>(prompt.size()) + options.max_new_tokens - 1,
                                             beams.num_beams)),
        running_(1),
        cached_(static_cast<std::size_t>(beams.num_beams)) {
    // Of num_beams * ends continuations at most that many end less num_beams: enough are left to go on.
    const auto ends = static_cast<Index>(options.stop_ids.size());
    kept_ = std::max<Index>(2, 1 + ends) * num_beams_;
    const Index vocabulary = decoder.config().vocab_size;
    if (kept_ <= vocabulary) return;
    throw Error("[generate] --num-beams: found {}; expected at most {}, since this model has {} tokens",
                num_beams_, vocabulary / (kept_ / num_beams_), vocabulary);
  }

  BeamSearchResult run() {
    BeamSearchResult result;
    GenerationResult& text = result.text;
    text.prompt_tokens = static_cast<Index>(prompt_.size());
    Stopwatch watch;
    for (Index length = 1; length <= options_.max_new_tokens; ++length) {
      const std::vector<Continuation> best = likeliest_continuations(feed());
      if (length == 1) {
        text.prompt_seconds = watch.seconds();
        watch = Stopwatch();
      }
      const bool last = length == options_.max_new_tokens;
      finish_ended(best, length, last);
      if (last) break;
      run_on(best);
      if (finished_.suffice(running_.front().log_probability, length)) break;
      ++text.decode_steps;
    }
    text.decode_seconds = watch.seconds();
    LORRY_CHECK(!finished_.beams().empty());
    const FinishedBeam& winner = finished_.beams().front();
    text.ids = winner.ids;
    text.stopped = winner.stopped;
    result.score = winner.score;
    return result;
  }

 private:
  /// The next logits of running_ [its size, V], whose last tokens (at first, the prompt) pass through the
  /// model.
  ConstMatrixView feed() {
    std::sort(running_.begin(), running_.end(), [](const Beam& a, const Beam& b) { return a.slot < b.slot; });
    parts_.clear();
    for (const Beam& beam : running_) {
      parts_.push_back({beam.slot, beam.ids.empty() ? std::span<const std::int32_t>(prompt_)
                                                    : std::span(beam.ids).last(1)});
      cached_[static_cast<std::size_t>(beam.slot)] = beam.ids;
    }
    return decoder_.extend(generation_, parts_);
  }

  /// The best kept_ of all beams and tokens, best first.
  std::vector<Continuation> likeliest_continuations(ConstMatrixView logits) {
    std::vector<Continuation> heap;  // the worst on top
    for (Index b = 0; b < logits.rows; ++b) {
      const Beam& beam = running_[static_cast<std::size_t>(b)];
      const float* row = logits.row<float>(b);
      scores_.assign(row, row + logits.cols);
      log_softmax(scores_);
      if (options_.sampler.history.any()) {
        history_ = prompt_;
        history_.insert(history_.end(), beam.ids.begin(), beam.ids.end());
        apply_filters(options_.sampler.history, history_, scores_);
      }
      for (std::size_t id = 0; id < scores_.size(); ++id) {
        const Continuation next = {beam.log_probability + scores_[id], b, static_cast<std::int32_t>(id)};
        const bool full = static_cast<Index>(heap.size()) == kept_;
        if (full && !(next < heap.front())) continue;
        if (full) {
          std::pop_heap(heap.begin(), heap.end());
          heap.pop_back();
        }
        heap.push_back(next);
        std::push_heap(heap.begin(), heap.end());
      }
    }
    std::sort_heap(heap.begin(), heap.end());
    return heap;
  }

  [[nodiscard]] bool ends(const Continuation& next) const {
    return std::find(options_.stop_ids.begin(), options_.stop_ids.end(), next.id) != options_.stop_ids.end();
  }

  /// Of the first num_beams continuations, those that end; at the limit all.
  void finish_ended(std::span<const Continuation> best, Index length, bool last) {
    for (const Continuation& next : best.first(static_cast<std::size_t>(num_beams_))) {
      const bool stopped = ends(next);
      if (!stopped && !last) continue;
      std::vector<std::int32_t> ids = running_[static_cast<std::size_t>(next.beam)].ids;
      if (!stopped) ids.push_back(next.id);
      finished_.add(std::move(ids), stopped, next.log_probability, length);
    }
  }

  /// The first num_beams continuations that do not end are the running beams from now on, best first.
  void run_on(std::span<const Continuation> best) {
    std::vector<Beam> next;
    std::vector<bool> taken(static_cast<std::size_t>(num_beams_), false);
    std::vector<std::size_t> homeless;  // beams whose parent's slot has gone to a brother
    for (const Continuation& continuation : best) {
      if (static_cast<Index>(next.size()) == num_beams_) break;
      if (ends(continuation)) continue;
      const Beam& parent = running_[static_cast<std::size_t>(continuation.beam)];
      const auto slot = static_cast<std::size_t>(parent.slot);
      if (taken[slot]) homeless.push_back(next.size());
      taken[slot] = true;
      next.push_back({parent.ids, continuation.log_probability, parent.slot});
      next.back().ids.push_back(continuation.id);
    }
    LORRY_CHECK_EQ(static_cast<Index>(next.size()), num_beams_);
    for (const std::size_t i : homeless) {
      const auto free = std::find(taken.begin(), taken.end(), false) - taken.begin();
      taken[static_cast<std::size_t>(free)] = true;
      copy_slot(next[i].slot, free);
      next[i].slot = free;
    }
    running_ = std::move(next);
  }

  /// What both have in common, the prompt at least, stays where it is.
  void copy_slot(Index from, Index to) {
    const std::vector<std::int32_t>& source = cached_[static_cast<std::size_t>(from)];
    const std::vector<std::int32_t>& target = cached_[static_cast<std::size_t>(to)];
    Index shared = 0;
    if (generation_.texts.length(to) > 0) {
      const auto differ = std::mismatch(source.begin(), source.end(), target.begin(), target.end());
      shared = static_cast<Index>(prompt_.size()) + (differ.first - source.begin());
    }
    generation_.texts.copy(from, to, shared);
  }

  model::Decoder& decoder_;
  std::vector<std::int32_t> prompt_;
  const GenerationOptions& options_;
  Index num_beams_;
  Index kept_ = 0;  // continuations looked at per step
  FinishedBeams finished_;
  model::Decoder::Generation generation_;
  std::vector<Beam> running_;                      // at first, the prompt alone
  std::vector<std::vector<std::int32_t>> cached_;  // new tokens whose keys and values a slot has
  std::vector<model::Decoder::TextPart> parts_;
  std::vector<float> scores_;          // [V]
  std::vector<std::int32_t> history_;  // prompt and new tokens of a beam
};

}  // namespace

void check_options(const BeamOptions& beams, const SamplerOptions& sampler) {
  constexpr Index kMostBeams = 1000;
  if (beams.num_beams < 1 || beams.num_beams > kMostBeams) {
    throw OptionError("[generate] --num-beams: found {}; expected 1 to {}", beams.num_beams, kMostBeams);
  }
  if (!std::isfinite(beams.length_penalty)) {
    throw OptionError("[generate] --length-penalty: found {}; expected a finite number",
                      beams.length_penalty);
  }
  if (sampler.temperature != 0) {
    throw OptionError(
        "[generate] --num-beams, --temperature: found {} and {}; expected 1 beam, or temperature 0",
        beams.num_beams, sampler.temperature);
  }
  check_filters(sampler.history);
}

BeamSearchResult beam_search(model::Decoder& decoder, std::span<const std::int32_t> prompt,
                             const GenerationOptions& options, const BeamOptions& beams) {
  LORRY_CHECK(!prompt.empty());
  check_options(beams, options.sampler);
  check_length(decoder, static_cast<Index>(prompt.size()), options.max_new_tokens, "--prompt");
  if (options.max_new_tokens == 0) {
    return {.text = {.prompt_tokens = static_cast<Index>(prompt.size())}};
  }
  return Search(decoder, prompt, options, beams).run();
}

}  // namespace lorry::generate
