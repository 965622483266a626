// bench/random_steps.hpp: LoRA steps on random tokens, as the benchmarks time them.
#pragma once
#include <vector>

#include "data/batch.hpp"
#include "model/adapter.hpp"
#include "train/trainer.hpp"

namespace lorry::bench {

/// One micro-batch of `batch` documents of `tokens` random ids each, all of them learnt but each first one.
data::Batch random_batch(Index batch, Index tokens, Index vocab_size);

struct StepSettings {
  Index rank = 8;
  DType dtype = DType::kBF16;
  bool grad_checkpoint = false;
};

/// A decoder with an adapter on all linear layers but the head, and what trains it. Borrows the operators and
/// the weights.
class RandomSteps {
 public:
  RandomSteps(ops::Ops& ops, const model::ModelConfig& config, const model::Weights& weights,
              const StepSettings& settings);
  RandomSteps(const RandomSteps&) = delete;
  RandomSteps& operator=(const RandomSteps&) = delete;

  /// One step; its seconds.
  double step(const std::vector<data::Batch>& batches) { return trainer_.step(batches).seconds; }
  /// Weights that a token is multiplied with: of all linear maps, the head included.
  [[nodiscard]] Index product_weights();
  [[nodiscard]] model::Decoder& decoder() noexcept { return decoder_; }

 private:
  model::Decoder decoder_;
  model::Adapter adapter_;
  train::Trainer trainer_;
};

}  // namespace lorry::bench
