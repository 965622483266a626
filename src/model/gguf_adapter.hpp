// model/gguf_adapter.hpp: a PEFT adapter written as a GGUF file that llama.cpp loads beside its base.
#pragma once
#include <filesystem>
#include <string>

#include "core/index.hpp"
#include "tensor/dtype.hpp"

namespace lorry::model {

/// What a file holds.
struct GgufAdapterReport {
  std::string architecture;  // "llama"
  Index updates = 0;         // adapted maps and embeddings
  Index folded = 0;          // those whose B carries a factor, since the file has but one alpha
  float alpha = 0.0F;        // llama.cpp multiplies by alpha / rank
  Index bytes = 0;           // of the file
};

/// Writes the adapter in the folder `adapter`, of the Hugging Face folder or GGUF file `model`, to `out`,
/// which appears whole. A pair NAME.lora_a [R,I] and NAME.lora_b [O,R] for every update, in F32 or F16
/// (`type`), with llama.cpp's names and order of rows; of the embedding a [V,R] and b [D,R]. Parts of a fused
/// map are one update of it. Throws Error, also for what the format has no place for or llama.cpp would pass
/// over: DoRA, biases, tensors and rows trained in full, other vocabularies, updates of positions, and of an
/// embedding or head that the model ties.
GgufAdapterReport export_gguf_adapter(const std::filesystem::path& model,
                                      const std::filesystem::path& adapter, const std::filesystem::path& out,
                                      DType type);

}  // namespace lorry::model
