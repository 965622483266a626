// model/quantize.hpp: a model folder in fewer bits, as transformers with bitsandbytes would save it.
#pragma once
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "core/index.hpp"
#include "model/bnb_writer.hpp"

namespace lorry::model {

struct QuantizeReport {
  Index matrices = 0;      // quantised
  Index bytes_before = 0;  // of all tensors
  Index bytes_after = 0;
  QuantLoss loss = {};      // over all quantised matrices
  std::string worst;        // the tensor that lost most
  double worst_loss = 0.0;  // relative
};

/// Writes the folder `model` to `out` with the linear maps of its blocks quantised; embeddings, head, norms
/// and biases stay, as do the shards and the small files; config.json says what was done, in transformers'
/// words. Bytes are those of bitsandbytes on the CPU, but for the mean of the scales (bnb_numbers.hpp) and
/// blanks behind the JSON of a matrix. Works piece by piece on `threads` threads (0: all), in memory that
/// does not depend on the model's size but by the scales of its largest matrix; within `memory_budget` bytes
/// for the whole process the pieces are smaller, to the same bytes, and where the smallest do not fit it
/// throws OptionError with the least budget that does. `out` must not exist or be empty; it appears complete
/// or not at all. `progress` is told (bytes read, bytes in all). Throws Error, also for a model that is
/// quantised already and for weights that are not finite.
QuantizeReport quantize_model(const std::filesystem::path& model, const std::filesystem::path& out,
                              BnbFormat format, bool double_quant, Index threads,
                              const std::function<void(Index, Index)>& progress,
                              const std::optional<Index>& memory_budget = {});

}  // namespace lorry::model
