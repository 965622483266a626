// model/gguf_weights.hpp: the tensors of a GGUF file as a model's weights.
#pragma once
#include "io/gguf.hpp"
#include "model/weights.hpp"

namespace lorry::model {

/// Checks every tensor of the config against the file: presence, shape, a type that is supported (F32, F16,
/// BF16; for matrices also Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K to Q6_K, IQ4_NL), and no other tensor there.
/// Matrices are used in place, blocks stay packed; q and k of Llama, whose rows lie in another order there,
/// are read in Hugging Face's. Keeps the files. Throws Error.
Weights load_gguf_weights(const io::GgufModel& model, const ModelConfig& config);

}  // namespace lorry::model
