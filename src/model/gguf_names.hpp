// model/gguf_names.hpp: what llama.cpp's files call the tensors of a model.
#pragma once
#include <string>

#include "model/tensor_list.hpp"

namespace lorry::model {

/// The name in a GGUF file for a tensor of list_tensors(config): "blk.0.attn_q.weight" for
/// "model.layers.0.self_attn.q_proj.weight".
std::string gguf_name(const ModelConfig& config, const TensorSpec& spec);

/// Size of the heads in whose rows neighbours take turns (PackedMatrix::interleaved_head); 0 for tensors
/// whose rows lie in Hugging Face's order. Files of Llama and Mistral hold q and k so, the other families
/// none.
Index gguf_interleaved_head(const ModelConfig& config, const TensorSpec& spec);

}  // namespace lorry::model
