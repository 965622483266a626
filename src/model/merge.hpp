// model/merge.hpp: a base model and an adapter written out as one model.
#pragma once
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/index.hpp"
#include "model/bnb_format.hpp"
#include "model/quant_loss.hpp"

namespace lorry::ops {
class Ops;
}

namespace lorry::model {

struct MergeOptions {
  /// Of a model that bitsandbytes quantised: all its matrices become plain BF16 ones.
  bool dequantize = false;
  /// Of a model with plain weights: the linear maps of its blocks are quantised so (its `dtype` is not used).
  std::optional<BnbOptions> quantize = {};
  Index threads = 0;  // beside those of ops; 0: all
  /// Bytes that the whole process may take; panels become smaller for it. Empty: some 16 MiB each.
  std::optional<Index> memory_budget = {};
};

struct MergedTensor {
  std::string name;  // as the written file has it
  std::string type;  // "BF16", "NF4", "Q4_K"
  QuantLoss loss;    // of rounding W + ΔW to that type
};

struct MergeReport {
  std::vector<MergedTensor> adapted;  // what the adapter changed, in the order of writing
  QuantLoss loss;                     // over all of those
  Index bytes = 0;                    // of all tensors written
};

/// Writes a model with W + scale * B A for every adapted W (with DoRA each output's row stretched), the
/// adapter's copies of tensors and rows of tables in their places, and everything else byte for byte as it
/// is. The sum is formed in F32 by row panels and rounded once to the type of W, which in a quantised model
/// is NF4 or int8, with scales of its own; so little more than a panel is in memory, and of NF4 the scales of
/// one matrix. With a budget panels are as small as it asks for, to the same bytes and sums; where the
/// smallest do not fit, it throws OptionError with the least budget that does.
///
/// Of a folder: the same shards and tensor names, and the other small files (config, index; tokenizer and
/// chat template are the adapter's, where it has some) copied. `out` must not exist or be empty; it appears
/// complete or not at all. `progress` is told (bytes done, bytes in all). Throws Error, also for an adapter
/// on one of a head and an embedding that are tied, since merging would change both, where a lora_bias has no
/// bias to be added to, and for options that do not go with the model.
MergeReport merge_adapter(ops::Ops& ops, const std::filesystem::path& model,
                          const std::filesystem::path& adapter, const std::filesystem::path& out,
                          const std::function<void(Index, Index)>& progress,
                          const MergeOptions& options = {});

}  // namespace lorry::model
