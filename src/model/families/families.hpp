// model/families/families.hpp: the model families Lorry reads. One file per family fills a ModelConfig.
#pragma once
#include <array>
#include <string>
#include <string_view>

#include "io/json_fields.hpp"
#include "model/config.hpp"

namespace lorry::model {

ModelConfig parse_gpt2(const io::Json& json, std::string_view file);
ModelConfig parse_llama(const io::Json& json, std::string_view file);
ModelConfig parse_mistral(const io::Json& json, std::string_view file);
ModelConfig parse_qwen2(const io::Json& json, std::string_view file);
ModelConfig parse_qwen3(const io::Json& json, std::string_view file);

struct Family {
  std::string_view model_type;  // as in config.json
  ModelConfig (*parse)(const io::Json& json, std::string_view file);
};

inline constexpr std::array kFamilies = {
    Family{"gpt2", parse_gpt2},   Family{"llama", parse_llama}, Family{"mistral", parse_mistral},
    Family{"qwen2", parse_qwen2}, Family{"qwen3", parse_qwen3},
};

// What several families share (families/llama.cpp).

/// What transformers takes where a family's config.json leaves a field out.
struct FamilyDefaults {
  Index num_key_value_heads = 0;  // 0: as many as query heads
  Index head_dim = 0;             // 0: hidden_size / num_attention_heads
  Index max_position_embeddings = 2048;
};

/// Largest size read from a config, far above any model: products of two, times layers, fit 64 bits.
inline constexpr Index kMaxSize = Index{1} << 22;
inline constexpr Index kMaxLayers = 4096;

/// Sizes, norm, activation, rotary settings and token ids under the names that Llama and its successors use.
ModelConfig parse_llama_like(const io::Json& json, std::string_view file, const FamilyDefaults& defaults);

/// The epsilon of a norm: at least 0.
float parse_norm_eps(const io::Json& json, std::string_view field, std::string_view file, double otherwise);

/// `sliding_window` of Qwen: only with `use_sliding_window`, and only in the layers that `layer_types` or
/// `max_window_layers` name.
std::vector<Index> parse_qwen_windows(const io::Json& json, std::string_view file, Index layers);

/// bos_token_id and eos_token_id: a number, a list or null.
std::vector<std::int32_t> parse_token_ids(const io::Json& json, std::string_view field,
                                          std::string_view file);

/// Throws Error unless the field is absent or equal to `supported`.
void require_value(const io::Json& json, std::string_view field, std::string_view file,
                   const io::Json& supported);

}  // namespace lorry::model
