// Mistral: Llama with a sliding window and an explicit head size.
#include "model/families/families.hpp"

namespace lorry::model {

ModelConfig parse_mistral(const io::Json& json, std::string_view file) {
  ModelConfig config =
      parse_llama_like(json, file, {.num_key_value_heads = 8, .max_position_embeddings = 131072});
  std::optional<Index> window = io::find_index(json, "sliding_window", file);
  // Absent is not null: transformers then takes the window of the first Mistral.
  if (!json.contains("sliding_window")) window = 4096;
  if (window) config.sliding_windows.assign(static_cast<std::size_t>(config.num_hidden_layers), *window);
  return config;
}

}  // namespace lorry::model
