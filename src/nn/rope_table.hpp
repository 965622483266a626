// nn/rope_table.hpp: rotary angles by position, with the frequency scalings of the Llama family.
#pragma once
#include <vector>

#include "tensor/matrix.hpp"

namespace lorry::nn {

enum class RopeScaling { kNone, kLinear, kLlama3 };

/// Fields as in Hugging Face's rope_parameters.
struct RopeConfig {
  float theta = 10000.0F;
  RopeScaling scaling = RopeScaling::kNone;
  float factor = 1.0F;
  // llama3 only:
  float low_freq_factor = 1.0F;
  float high_freq_factor = 4.0F;
  Index original_max_position_embeddings = 8192;
  /// What frequencies are divided by beside that, one each (GGUF's rope_freqs.weight); empty: by 1.
  std::vector<float> divisors = {};
};

/// [positions, head_dim] F32: row p holds cos(p f_i), then sin(p f_i), i < head_dim/2, with
/// f_i = theta^(-2i/head_dim), scaled as the config says (Llama 3.1: low frequencies divided by factor, high
/// ones kept, those between interpolated).
Matrix make_rope_table(const RopeConfig& config, Index head_dim, Index positions);

}  // namespace lorry::nn
