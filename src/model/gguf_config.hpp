// model/gguf_config.hpp: the sizes and switches of a model in a GGUF file.
#pragma once
#include "io/gguf.hpp"
#include "model/config.hpp"

namespace lorry::model {

/// From the metadata, and from which tensors there are. Architectures llama (Mistral too), qwen2, qwen3 and
/// gpt2. Throws Error naming the key for anything missing, out of range or not supported.
ModelConfig gguf_model_config(const io::GgufModel& model);

/// The metadata but for the vocabulary, one line a key: what a run's record compares.
std::string gguf_config_text(const io::GgufModel& model);

}  // namespace lorry::model
