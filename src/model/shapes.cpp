#include "model/shapes.hpp"

#include <fmt/ranges.h>

#include <array>
#include <vector>

#include "core/index.hpp"
#include "core/option_error.hpp"

namespace lorry::model {

namespace {

struct Shape {
  std::string_view name;
  Index hidden_size;
  Index intermediate_size;
  Index num_hidden_layers;
  Index num_attention_heads;
  Index num_key_value_heads;
  Index max_position_embeddings;
};

// 1.1b: TinyLlama; the others: Touvron et al. 2023 (arXiv:2302.13971), table 2, with the sizes of the
// released files.
constexpr std::array kShapes = {
    Shape{"llama-1.1b", 2048, 5632, 22, 32, 4, 2048},  Shape{"llama-7b", 4096, 11008, 32, 32, 32, 2048},
    Shape{"llama-13b", 5120, 13824, 40, 40, 40, 2048}, Shape{"llama-30b", 6656, 17920, 60, 52, 52, 2048},
    Shape{"llama-65b", 8192, 22016, 80, 64, 64, 2048},
};

}  // namespace

io::Json shape_config(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Shape& shape : kShapes) {
    names.push_back(shape.name);
    if (shape.name != name) continue;
    return {{"architectures", {"LlamaForCausalLM"}},
            {"model_type", "llama"},
            {"hidden_act", "silu"},
            {"vocab_size", 32000},
            {"hidden_size", shape.hidden_size},
            {"intermediate_size", shape.intermediate_size},
            {"num_hidden_layers", shape.num_hidden_layers},
            {"num_attention_heads", shape.num_attention_heads},
            {"num_key_value_heads", shape.num_key_value_heads},
            {"max_position_embeddings", shape.max_position_embeddings},
            {"rms_norm_eps", 1e-5},
            {"rope_theta", 10000.0},
            {"initializer_range", 0.02},
            {"tie_word_embeddings", false},
            {"bos_token_id", 1},
            {"eos_token_id", 2}};
  }
  throw OptionError("[init] --shape: found \"{}\"; expected one of {}", name, fmt::join(names, ", "));
}

}  // namespace lorry::model
