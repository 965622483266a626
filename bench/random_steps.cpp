#include "random_steps.hpp"

#include "core/rng.hpp"
#include "train/options.hpp"

namespace lorry::bench {

namespace {

model::Adapter make_adapter(Index rank, model::Decoder& decoder) {
  model::PeftConfig lora = train::default_lora();
  lora.r = rank;
  model::Adapter made = model::Adapter::create(lora, decoder, 1);
  made.attach(decoder);
  return made;
}

}  // namespace

data::Batch random_batch(Index batch, Index tokens, Index vocab_size) {
  data::Batch made;
  Rng rng(1);
  for (Index b = 0; b < batch; ++b) {
    made.offsets.push_back(b * tokens);
    for (Index t = 0; t < tokens; ++t) {
      made.ids.push_back(static_cast<std::int32_t>(rng.next_below(vocab_size)));
      made.targets.push_back(t + 1 < tokens ? static_cast<std::int32_t>(rng.next_below(vocab_size)) : -1);
      made.positions.push_back(static_cast<std::int32_t>(t));
    }
  }
  made.offsets.push_back(made.rows());
  made.token_count = made.rows();
  made.target_count = made.rows() - batch;
  return made;
}

RandomSteps::RandomSteps(ops::Ops& ops, const model::ModelConfig& config, const model::Weights& weights,
                         const StepSettings& settings)
    : decoder_(ops, config, weights, settings.dtype),
      adapter_(make_adapter(settings.rank, decoder_)),
      trainer_(decoder_,
               {.parameters = adapter_.parameters(),
                .zero_gradients = [this] { adapter_.zero_gradients(); },
                .after_update = {}},
               {.optimizer = {},
                .schedule = {optim::ScheduleKind::kConstant, 1e-4, 1, 0},
                .total_steps = 1,
                .grad_checkpoint = settings.grad_checkpoint}) {}

Index RandomSteps::product_weights() {
  Index count = 0;
  for (const nn::Linear* linear : decoder_.linears()) count += linear->inputs() * linear->outputs();
  return count;
}

}  // namespace lorry::bench
