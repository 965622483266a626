#include "train/duration.hpp"

#include <cmath>

namespace lorry::train {

Index steps_in_epoch(const TrainOptions& options, const data::Batcher& batcher, Index epoch) {
  return (batcher.batches_in_epoch(epoch) + options.grad_accumulation_steps - 1) /
         options.grad_accumulation_steps;
}

Index count_steps(const TrainOptions& options, const data::Batcher& batcher) {
  if (options.steps) return *options.steps;
  const auto whole = static_cast<Index>(std::floor(options.epochs));
  Index steps = 0;
  for (Index epoch = 0; epoch < whole; ++epoch) steps += steps_in_epoch(options, batcher, epoch);
  const double rest = options.epochs - static_cast<double>(whole);
  if (rest > 0) {
    steps +=
        static_cast<Index>(std::ceil(rest * static_cast<double>(steps_in_epoch(options, batcher, whole))));
  }
  return steps;
}

}  // namespace lorry::train
