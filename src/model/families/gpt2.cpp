// GPT-2: learned positions, LayerNorm, one fused map for q, k and v, matrices stored [inputs, outputs].
#include "core/error.hpp"
#include "model/families/families.hpp"

namespace lorry::model {

ModelConfig parse_gpt2(const io::Json& json, std::string_view file) {
  ModelConfig config;
  config.vocab_size = io::get_index(json, "vocab_size", file, 1, kMaxSize);
  config.hidden_size = io::get_index(json, "n_embd", file, 1, kMaxSize);
  config.num_hidden_layers = io::get_index(json, "n_layer", file, 1, kMaxLayers);
  config.num_attention_heads = io::get_index(json, "n_head", file, 1, config.hidden_size);
  config.num_key_value_heads = config.num_attention_heads;
  if (config.hidden_size % config.num_attention_heads != 0) {
    throw Error("[load] {}: field \"n_head\": found {}; expected a divisor of n_embd ({})", file,
                config.num_attention_heads, config.hidden_size);
  }
  config.head_dim = config.hidden_size / config.num_attention_heads;
  config.intermediate_size =
      io::find_index(json, "n_inner", file, 1, kMaxSize).value_or(4 * config.hidden_size);
  config.max_position_embeddings = io::find_index(json, "n_positions", file, 1, kMaxSize).value_or(1024);
  config.norm = nn::NormKind::kLayer;
  config.norm_eps = parse_norm_eps(json, "layer_norm_epsilon", file, 1e-5);
  const std::string activation = io::find_string(json, "activation_function", file).value_or("gelu_new");
  if (activation != "gelu_new" && activation != "gelu_pytorch_tanh") {
    throw Error(
        "[load] {}: field \"activation_function\": found \"{}\"; supported: gelu_new, gelu_pytorch_tanh",
        file, activation);
  }
  require_value(json, "scale_attn_weights", file, true);
  require_value(json, "scale_attn_by_inverse_layer_idx", file, false);
  require_value(json, "add_cross_attention", file, false);
  config.qkv_bias = config.attention_output_bias = config.mlp_bias = true;
  config.conv1d = true;
  config.tie_word_embeddings = io::find_bool(json, "tie_word_embeddings", file).value_or(true);
  config.bos_token_ids = parse_token_ids(json, "bos_token_id", file);
  config.eos_token_ids = parse_token_ids(json, "eos_token_id", file);
  config.names = {.root = "transformer.",
                  .embedding = "wte",
                  .position_embedding = "wpe",
                  .layers = "h",
                  .attention_norm = "ln_1",
                  .qkv = {"attn.c_attn"},
                  .attention_output = "attn.c_proj",
                  .q_norm = "",
                  .k_norm = "",
                  .mlp_norm = "ln_2",
                  .gate = "",
                  .up = "mlp.c_fc",
                  .down = "mlp.c_proj",
                  .final_norm = "ln_f",
                  .head = "lm_head"};
  return config;
}

}  // namespace lorry::model
