#include "train/evaluate.hpp"

#include <cmath>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "data/batcher.hpp"
#include "train/diverged.hpp"

namespace lorry::train {

Evaluation evaluate(model::Decoder& decoder, data::DocumentView documents, Index max_seq_length,
                    model::Decoder::Workspace& workspace, const std::function<void(Index, Index)>& progress) {
  const Stopwatch watch;
  const data::EpochPlan plan(documents, {.batch_size = 1, .max_seq_length = max_seq_length, .shuffle = false},
                             0);
  double sum = 0;
  Evaluation result;
  for (Index i = 0; i < plan.size(); ++i) {
    const data::Batch batch = plan.batch(i);
    sum += decoder.loss(batch, workspace);
    result.tokens += batch.target_count;
    if (progress) progress(i + 1, plan.size());
  }
  result.loss = sum / static_cast<double>(result.tokens);
  if (!std::isfinite(result.loss)) {
    throw Diverged("[eval] loss: found {}; expected a finite number: did training diverge?", result.loss);
  }
  result.perplexity = std::exp(result.loss);
  result.seconds = watch.seconds();
  return result;
}

}  // namespace lorry::train
