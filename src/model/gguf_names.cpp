#include "model/gguf_names.hpp"

#include <array>
#include <string_view>

#include "core/check.hpp"

namespace lorry::model {

namespace {

/// "layers.3.mlp.up_proj" as block 3 and "mlp.up_proj".
struct BlockModule {
  std::string number;
  std::string module;
};

BlockModule in_block(const ModelConfig& config, const std::string& module) {
  const std::string blocks = config.names.root + config.names.layers + ".";
  if (!module.starts_with(blocks)) return {};
  const std::size_t dot = module.find('.', blocks.size());
  return {module.substr(blocks.size(), dot - blocks.size()), module.substr(dot + 1)};
}

struct Pair {
  const std::string& ours;
  std::string_view theirs;
};

std::string_view gguf_block_name(const ModuleNames& names, const std::string& module) {
  const bool fused = names.qkv.size() == 1;
  const std::array pairs = {
      Pair{names.attention_norm, "attn_norm"},
      Pair{names.qkv.front(), fused ? "attn_qkv" : "attn_q"},
      Pair{names.qkv[fused ? 0 : 1], "attn_k"},
      Pair{names.qkv.back(), "attn_v"},
      Pair{names.attention_output, "attn_output"},
      Pair{names.q_norm, "attn_q_norm"},
      Pair{names.k_norm, "attn_k_norm"},
      Pair{names.mlp_norm, "ffn_norm"},
      Pair{names.gate, "ffn_gate"},
      Pair{names.up, "ffn_up"},
      Pair{names.down, "ffn_down"},
  };
  for (const Pair& pair : pairs) {
    if (pair.ours == module) return pair.theirs;
  }
  check_failed(__FILE__, __LINE__, "no GGUF name for " + module);
}

}  // namespace

std::string gguf_name(const ModelConfig& config, const TensorSpec& spec) {
  const ModuleNames& names = config.names;
  const std::string module = spec.module();
  const std::string ending = spec.name.substr(module.size());  // ".weight"
  if (module == names.head) return "output" + ending;
  if (module == names.root + names.embedding) return "token_embd" + ending;
  if (module == names.root + names.position_embedding) return "position_embd" + ending;
  if (module == names.root + names.final_norm) return "output_norm" + ending;
  const BlockModule place = in_block(config, module);
  return "blk." + place.number + "." + std::string(gguf_block_name(names, place.module)) + ending;
}

Index gguf_interleaved_head(const ModelConfig& config, const TensorSpec& spec) {
  if (config.model_type != "llama" && config.model_type != "mistral") return 0;
  const std::string module = in_block(config, spec.module()).module;
  const bool turned = module == config.names.qkv[0] || module == config.names.qkv[1];
  return turned ? config.head_dim : 0;
}

}  // namespace lorry::model
