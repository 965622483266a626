// Qwen2 and 2.5: Llama with biases on q, k and v.
#include "core/error.hpp"
#include "model/families/families.hpp"

namespace lorry::model {

std::vector<Index> parse_qwen_windows(const io::Json& json, std::string_view file, Index layers) {
  if (!io::find_bool(json, "use_sliding_window", file).value_or(false)) return {};
  std::optional<Index> window = io::find_index(json, "sliding_window", file);
  if (!json.contains("sliding_window")) window = 4096;  // absent is not null
  if (!window) return {};
  std::vector<Index> windows(static_cast<std::size_t>(layers), 0);
  if (const auto types = io::find_strings(json, "layer_types", file)) {
    if (static_cast<Index>(types->size()) != layers) {
      throw Error("[load] {}: field \"layer_types\": found {} entries; expected num_hidden_layers ({})", file,
                  types->size(), layers);
    }
    for (std::size_t i = 0; i < windows.size(); ++i) {
      const std::string& type = (*types)[i];
      if (type != "full_attention" && type != "sliding_attention") {
        throw Error(
            "[load] {}: field \"layer_types\": found \"{}\"; supported: full_attention, sliding_attention",
            file, type);
      }
      if (type == "sliding_attention") windows[i] = *window;
    }
    return windows;
  }
  const Index first = io::find_index(json, "max_window_layers", file, 0).value_or(28);
  for (Index i = first; i < layers; ++i) windows[static_cast<std::size_t>(i)] = *window;
  return windows;
}

ModelConfig parse_qwen2(const io::Json& json, std::string_view file) {
  ModelConfig config =
      parse_llama_like(json, file, {.num_key_value_heads = 32, .max_position_embeddings = 32768});
  config.qkv_bias = true;
  config.sliding_windows = parse_qwen_windows(json, file, config.num_hidden_layers);
  return config;
}

}  // namespace lorry::model
