// Qwen3 (dense): Llama with norms on every head's q and k, and an explicit head size.
#include "model/families/families.hpp"

namespace lorry::model {

ModelConfig parse_qwen3(const io::Json& json, std::string_view file) {
  ModelConfig config = parse_llama_like(
      json, file, {.num_key_value_heads = 32, .head_dim = 128, .max_position_embeddings = 32768});
  config.qk_norm = true;
  config.qkv_bias = io::find_bool(json, "attention_bias", file).value_or(false);
  config.attention_output_bias = config.qkv_bias;
  config.sliding_windows = parse_qwen_windows(json, file, config.num_hidden_layers);
  return config;
}

}  // namespace lorry::model
