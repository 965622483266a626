// generate/finished_beams.hpp: the best texts that a beam search has ended, and whether it may stop.
#pragma once
#include <cstdint>
#include <vector>

#include "core/index.hpp"

namespace lorry::generate {

/// When a beam search stops; the words are those of transformers' `early_stopping`.
enum class EarlyStopping {
  kFalse,  // when the best running beam, at its present length, scores no better than the worst finished one
  kTrue,   // when as many beams are finished as run
  kNever,  // as kFalse, at the length that would be best for it where length_penalty is above 0
};

struct BeamOptions {
  Index num_beams = 1;
  float length_penalty = 1.0F;  // a text's score is its log-probability / length^this: above 0 favours long
  EarlyStopping early_stopping = EarlyStopping::kFalse;
};

struct FinishedBeam {
  std::vector<std::int32_t> ids;  // new tokens, without the end token
  bool stopped = false;           // by an end token
  float score = 0.0F;
};

class FinishedBeams {
 public:
  FinishedBeams(const BeamOptions& options, Index max_new_tokens)
      : options_(options), max_new_tokens_(max_new_tokens) {}

  /// A text of `length` new tokens, the end token included, with the sum `log_probability` over them. Kept if
  /// it is among the best num_beams.
  void add(std::vector<std::int32_t> ids, bool stopped, float log_probability, Index length);

  /// Whether beams of `length` new tokens, the best with `log_probability`, need not be continued.
  [[nodiscard]] bool suffice(float log_probability, Index length) const;

  /// Best first.
  [[nodiscard]] const std::vector<FinishedBeam>& beams() const noexcept { return beams_; }

 private:
  [[nodiscard]] float score(float log_probability, Index length) const;

  BeamOptions options_;
  Index max_new_tokens_;
  std::vector<FinishedBeam> beams_;
};

}  // namespace lorry::generate
