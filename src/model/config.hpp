// model/config.hpp: what the decoder must know of a model, whatever its family.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "nn/norm.hpp"
#include "nn/rope_table.hpp"

namespace lorry::model {

/// How the tensors of a family are called, as in its Hugging Face files. Module names are relative to a
/// block, block names are `root + layers + "." + number`.
struct ModuleNames {
  std::string root = "model.";  // some files leave it out
  std::string embedding = "embed_tokens";
  std::string position_embedding;  // empty: rotary positions
  std::string layers = "layers";
  std::string attention_norm = "input_layernorm";
  std::vector<std::string> qkv = {"self_attn.q_proj", "self_attn.k_proj",
                                  "self_attn.v_proj"};  // or one fused map
  std::string attention_output = "self_attn.o_proj";
  std::string q_norm = "self_attn.q_norm";
  std::string k_norm = "self_attn.k_norm";
  std::string mlp_norm = "post_attention_layernorm";
  std::string gate = "mlp.gate_proj";  // empty: no gate
  std::string up = "mlp.up_proj";
  std::string down = "mlp.down_proj";
  std::string final_norm = "norm";
  std::string head = "lm_head";  // outside root
};

/// Sizes and switches. Filled from config.json by one file of model/families each.
struct ModelConfig {
  std::string model_type;
  Index vocab_size = 0;
  Index hidden_size = 0;
  Index intermediate_size = 0;
  Index num_hidden_layers = 0;
  Index num_attention_heads = 0;
  Index num_key_value_heads = 0;
  Index head_dim = 0;
  Index max_position_embeddings = 0;
  nn::NormKind norm = nn::NormKind::kRms;
  float norm_eps = 1e-6F;
  nn::RopeConfig rope;
  std::vector<Index> sliding_windows;  // per layer; 0: full attention. Empty: 0 everywhere
  bool qkv_bias = false;
  bool attention_output_bias = false;
  bool mlp_bias = false;
  bool qk_norm = false;
  bool conv1d = false;  // block matrices are stored [inputs, outputs] (GPT-2)
  bool tie_word_embeddings = false;
  std::vector<std::int32_t> bos_token_ids;
  std::vector<std::int32_t> eos_token_ids;
  bool other_vocabulary = false;  // vocab_size is not the folder's; see model/vocabulary.hpp
  std::vector<std::int32_t>
      added_tokens;  // that the folder's vocabulary lacks; fresh adapters train their rows
  ModuleNames names;

  [[nodiscard]] Index q_width() const noexcept { return num_attention_heads * head_dim; }
  [[nodiscard]] Index k_width() const noexcept { return num_key_value_heads * head_dim; }
  [[nodiscard]] Index window(Index layer) const {
    return sliding_windows.empty() ? 0 : sliding_windows[static_cast<std::size_t>(layer)];
  }
  [[nodiscard]] std::string block_name(Index layer) const {
    return names.root + names.layers + "." + std::to_string(layer) + ".";
  }
};

/// Reads FOLDER/config.json (or the file itself) or a GGUF file's metadata, the former both in the spelling
/// of transformers 4 (`rope_scaling`, `torch_dtype`) and of 5
/// (`rope_parameters`, `dtype`). Throws Error naming the field for anything missing, out of range or not
/// supported.
ModelConfig load_model_config(const std::filesystem::path& folder_or_file);

}  // namespace lorry::model
