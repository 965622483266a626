// Llama 1, 2 and 3.x, and what the families after them kept of it.
#include <cmath>

#include "core/error.hpp"
#include "model/families/families.hpp"

namespace lorry::model {

namespace {

/// The rotary settings: transformers 5 writes `rope_parameters`, 4 wrote `rope_theta` and `rope_scaling`,
/// which wins where both stand.
const io::Json* rope_object(const io::Json& json, std::string_view file, std::string& name) {
  for (const char* field : {"rope_scaling", "rope_parameters"}) {
    if (io::find_field(json, field, file) != nullptr) {
      name = field;
      return &io::get_object(json, field, file);
    }
  }
  return nullptr;
}

float positive(const io::Json& object, std::string_view field, std::string_view file) {
  const auto value = static_cast<float>(io::get_number(object, field, file));
  if (!(std::isnormal(value) && value > 0)) {  // the conversion may give 0 or infinity
    io::throw_field_error(file, field, io::find_field(object, field, file), "a number above 0");
  }
  return value;
}

nn::RopeConfig parse_rope(const io::Json& json, std::string_view file) {
  nn::RopeConfig rope;
  if (io::find_field(json, "rope_theta", file) != nullptr) rope.theta = positive(json, "rope_theta", file);
  std::string name;
  const io::Json* settings = rope_object(json, file, name);
  if (settings == nullptr) return rope;
  require_value(*settings, "partial_rotary_factor", file, 1.0);
  if (io::find_field(*settings, "rope_theta", file) != nullptr)
    rope.theta = positive(*settings, "rope_theta", file);
  const std::string type = io::find_string(*settings, "rope_type", file)
                               .value_or(io::find_string(*settings, "type", file).value_or("default"));
  if (type == "default") return rope;
  if (type != "linear" && type != "llama3") {
    throw Error("[load] {}: field \"{}.rope_type\": found \"{}\"; supported: default, linear, llama3", file,
                name, type);
  }
  rope.factor = positive(*settings, "factor", file);
  rope.scaling = type == "linear" ? nn::RopeScaling::kLinear : nn::RopeScaling::kLlama3;
  if (type == "llama3") {
    rope.low_freq_factor = positive(*settings, "low_freq_factor", file);
    rope.high_freq_factor = positive(*settings, "high_freq_factor", file);
    if (!(rope.high_freq_factor > rope.low_freq_factor)) {
      io::throw_field_error(file, "high_freq_factor", io::find_field(*settings, "high_freq_factor", file),
                            "a number above low_freq_factor");
    }
    rope.original_max_position_embeddings =
        io::get_index(*settings, "original_max_position_embeddings", file);
  }
  return rope;
}

}  // namespace

void require_value(const io::Json& json, std::string_view field, std::string_view file,
                   const io::Json& supported) {
  const io::Json* found = io::find_field(json, field, file);
  if (found != nullptr && *found != supported) io::throw_field_error(file, field, found, supported.dump());
}

std::vector<std::int32_t> parse_token_ids(const io::Json& json, std::string_view field,
                                          std::string_view file) {
  const io::Json* found = io::find_field(json, field, file);
  if (found == nullptr) return {};
  const auto checked = [&](const io::Json& value) {
    if (!value.is_number_integer() || value.get<Index>() < 0 || value.get<Index>() > kMaxSize) {
      io::throw_field_error(file, field, found, "a token id, or a list of them");
    }
    return value.get<std::int32_t>();
  };
  if (!found->is_array()) return {checked(*found)};
  std::vector<std::int32_t> ids;
  for (const io::Json& value : *found) ids.push_back(checked(value));
  return ids;
}

float parse_norm_eps(const io::Json& json, std::string_view field, std::string_view file, double otherwise) {
  const double eps = io::find_number(json, field, file).value_or(otherwise);
  if (!(eps >= 0))
    io::throw_field_error(file, field, io::find_field(json, field, file), "a number, at least 0");
  return static_cast<float>(eps);
}

ModelConfig parse_llama_like(const io::Json& json, std::string_view file, const FamilyDefaults& defaults) {
  ModelConfig config;
  config.vocab_size = io::get_index(json, "vocab_size", file, 1, kMaxSize);
  config.hidden_size = io::get_index(json, "hidden_size", file, 1, kMaxSize);
  config.intermediate_size = io::get_index(json, "intermediate_size", file, 1, kMaxSize);
  config.num_hidden_layers = io::get_index(json, "num_hidden_layers", file, 1, kMaxLayers);
  config.num_attention_heads = io::get_index(json, "num_attention_heads", file, 1, config.hidden_size);
  config.num_key_value_heads =
      io::find_index(json, "num_key_value_heads", file, 1, config.num_attention_heads)
          .value_or(defaults.num_key_value_heads > 0 ? defaults.num_key_value_heads
                                                     : config.num_attention_heads);
  if (config.num_attention_heads % config.num_key_value_heads != 0) {
    throw Error(
        "[load] {}: field \"num_key_value_heads\": found {}; expected a divisor of num_attention_heads ({})",
        file, config.num_key_value_heads, config.num_attention_heads);
  }
  const Index head_dim =
      defaults.head_dim > 0 ? defaults.head_dim : config.hidden_size / config.num_attention_heads;
  config.head_dim = io::find_index(json, "head_dim", file, 1, kMaxSize).value_or(head_dim);
  if (config.head_dim < 2 || config.head_dim % 2 != 0 || config.q_width() > kMaxSize) {
    throw Error("[load] {}: field \"head_dim\": found {}; expected an even number, at most {} over all heads",
                file, config.head_dim, kMaxSize);
  }
  config.max_position_embeddings = io::find_index(json, "max_position_embeddings", file, 1, kMaxSize)
                                       .value_or(defaults.max_position_embeddings);
  config.norm_eps = parse_norm_eps(json, "rms_norm_eps", file, 1e-6);
  require_value(json, "hidden_act", file, "silu");
  require_value(json, "partial_rotary_factor", file, 1.0);
  config.rope = parse_rope(json, file);
  config.tie_word_embeddings = io::find_bool(json, "tie_word_embeddings", file).value_or(false);
  config.bos_token_ids = parse_token_ids(json, "bos_token_id", file);
  config.eos_token_ids = parse_token_ids(json, "eos_token_id", file);
  return config;
}

ModelConfig parse_llama(const io::Json& json, std::string_view file) {
  ModelConfig config = parse_llama_like(json, file, {});
  config.qkv_bias = io::find_bool(json, "attention_bias", file).value_or(false);
  config.attention_output_bias = config.qkv_bias;
  config.mlp_bias = io::find_bool(json, "mlp_bias", file).value_or(false);
  return config;
}

}  // namespace lorry::model
