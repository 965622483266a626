// train/duration.hpp: how many optimiser steps a run has.
#pragma once
#include "data/batcher.hpp"
#include "train/options.hpp"

namespace lorry::train {

/// A step that accumulates ends with its epoch.
Index steps_in_epoch(const TrainOptions& options, const data::Batcher& batcher, Index epoch);

/// As asked, or those of options.epochs passes over the data.
Index count_steps(const TrainOptions& options, const data::Batcher& batcher);

}  // namespace lorry::train
