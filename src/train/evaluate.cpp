#include "train/evaluate.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "data/batcher.hpp"
#include "model/workspace_size.hpp"
#include "train/diverged.hpp"

namespace lorry::train {

Index evaluation_bytes(const model::ModelConfig& config, DType compute, Index max_seq_length) {
  const model::WorkspaceBytes bytes = model::workspace_bytes(config, {.rows = max_seq_length,
                                                                      .targets = max_seq_length,
                                                                      .positions = max_seq_length,
                                                                      .compute = compute,
                                                                      .batches = kEvaluatedTogether,
                                                                      .lowest = config.num_hidden_layers});
  return bytes.activations + bytes.logits;
}

Evaluation evaluate(model::Decoder& decoder, data::DocumentView documents, Index max_seq_length,
                    model::Decoder::Workspace& workspace, const std::function<void(Index, Index)>& progress) {
  const Stopwatch watch;
  const data::EpochPlan plan(
      documents, {.batch_size = 1, .max_seq_length = max_seq_length, .shuffle = false, .share_prompts = true},
      0);
  double sum = 0;
  Evaluation result;
  // Together, where weights come from the disk once for all of them.
  const Index at_once = decoder.streams() ? kEvaluatedTogether : 1;
  for (Index first = 0; first < plan.size(); first += at_once) {
    std::vector<data::Batch> batches;
    for (Index i = first; i < std::min(plan.size(), first + at_once); ++i) batches.push_back(plan.batch(i));
    for (const double loss : decoder.losses(batches, workspace)) sum += loss;
    for (const data::Batch& batch : batches) {
      result.tokens += batch.target_count;
      result.rows += batch.token_count;
    }
    if (progress) progress(first + std::ssize(batches), plan.size());
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
