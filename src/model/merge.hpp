// model/merge.hpp: a base model and an adapter written out as one plain model.
#pragma once
#include <filesystem>
#include <functional>

#include "core/index.hpp"

namespace lorry::ops {
class Ops;
}

namespace lorry::model {

/// Writes a Hugging Face folder with W + scale * B A for every adapted W (with DoRA each output's row
/// stretched), the adapter's copies of tensors and rows of tables in their places, and everything else as it
/// is: the same shards, tensor names and types, and the other small files (config, index; tokenizer and chat
/// template are the adapter's, where it has some) copied.
/// The sum is formed in F32 by row panels and rounded once to the type of W, so little more than one tensor
/// is in memory. `out` must not exist or be empty; it appears complete or not at all. `progress` is told
/// (bytes done, bytes in all). A model that bitsandbytes quantised needs `dequantize`, by which all its
/// matrices become plain BF16 ones. Throws Error, also for an adapter on one of a head and an embedding that
/// are tied, since merging would change both, and where a lora_bias has no bias to be added to.
void merge_adapter(ops::Ops& ops, const std::filesystem::path& model, const std::filesystem::path& adapter,
                   const std::filesystem::path& out, const std::function<void(Index, Index)>& progress,
                   bool dequantize = false);

}  // namespace lorry::model
