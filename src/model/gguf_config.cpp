// The metadata is written as the config.json that the family's own reader takes: defaults and checks of a
// family stand in one place.
#include "model/gguf_config.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "core/error.hpp"
#include "io/message_text.hpp"
#include "model/families/families.hpp"

namespace lorry::model {

namespace {

constexpr const char* kRopeDivisors = "rope_freqs.weight";

class GgufConfigReader {
 public:
  explicit GgufConfigReader(const io::GgufModel& model)
      : model_(model), data_(model.metadata()), architecture_(architecture()) {}

  ModelConfig read() {
    refuse_unsupported();
    json_["vocab_size"] = rows_of("token_embd.weight");
    json_["tie_word_embeddings"] = model_.find("output.weight") == nullptr;
    put_token_ids();
    ModelConfig config = architecture_ == "gpt2" ? gpt2() : llama_like();
    return config;
  }

 private:
  [[nodiscard]] const std::string& architecture() const {
    if (const std::string* type = data_.find_string("general.type"); type != nullptr && *type != "model") {
      data_.fail("general.type", io::in_quotes(*type), "\"model\"");
    }
    const std::string& found = data_.get_string("general.architecture");
    constexpr std::array<std::string_view, 4> kSupported = {"gpt2", "llama", "qwen2", "qwen3"};
    if (std::find(kSupported.begin(), kSupported.end(), found) == kSupported.end()) {
      data_.fail("general.architecture", io::in_quotes(found),
                 fmt::format("one of {}", fmt::join(kSupported, ", ")));
    }
    return found;
  }

  /// "llama.block_count" for "block_count".
  [[nodiscard]] std::string key(std::string_view name) const {
    return fmt::format("{}.{}", architecture_, name);
  }

  [[nodiscard]] bool has(std::string_view tensor) const { return model_.find(tensor) != nullptr; }

  void refuse_unsupported() const {
    if (data_.find_index("general.quantization_version", 0, kMaxSize).value_or(2) != 2) {
      data_.fail("general.quantization_version", "another version", "2");
    }
    if (data_.find_index(key("expert_count"), 0, kMaxSize).value_or(0) != 0) {
      data_.fail(key("expert_count"), "a mixture of experts", "0: a dense model");
    }
    if (!data_.find_bool(key("attention.causal")).value_or(true)) {
      data_.fail(key("attention.causal"), "false", "true");
    }
    for (const char* name : {"attention.scale", "attention.clamp_kqv", "attention.max_alibi_bias",
                             "logit_scale", "residual_scale", "embedding_scale"}) {
      if (data_.find(key(name)) != nullptr) data_.fail(key(name), "a value", "none: it is not supported");
    }
  }

  [[nodiscard]] Index rows_of(const char* tensor) const {
    const io::GgufTensor* const found = model_.find(tensor);
    if (found == nullptr || found->shape.size() != 2 || found->shape[0] > kMaxSize) {
      throw Error("[load] {}: tensor {}: {}; expected a matrix of at most {} rows", data_.file(),
                  io::in_quotes(tensor),
                  found == nullptr ? "missing" : fmt::format("found [{}]", fmt::join(found->shape, ",")),
                  kMaxSize);
    }
    return found->shape[0];
  }

  /// A size that newer files may give layer by layer.
  [[nodiscard]] std::optional<Index> size_of_all_layers(std::string_view name, Index low) const {
    const io::GgufValue* const value = data_.find(key(name));
    if (value == nullptr || std::holds_alternative<Index>(*value)) {
      return data_.find_index(key(name), low, kMaxSize);
    }
    const std::vector<Index>& sizes = *data_.find_indices(key(name));
    const bool same = !sizes.empty() && std::equal(sizes.begin() + 1, sizes.end(), sizes.begin());
    if (!same || sizes[0] < low || sizes[0] > kMaxSize) {
      data_.fail(key(name), "sizes by layer", fmt::format("one from {} to {} for all", low, kMaxSize));
    }
    return sizes[0];
  }

  void put_token_ids() {
    if (const auto bos = data_.find_index("tokenizer.ggml.bos_token_id", 0, kMaxSize)) {
      json_["bos_token_id"] = *bos;
    }
    io::Json ends = io::Json::array();
    for (const char* name : {"eos", "eot", "eom"}) {
      const auto id = data_.find_index(fmt::format("tokenizer.ggml.{}_token_id", name), 0, kMaxSize);
      if (id && std::find(ends.begin(), ends.end(), *id) == ends.end()) ends.push_back(*id);
    }
    if (!ends.empty()) json_["eos_token_id"] = ends;
  }

  [[nodiscard]] double number(std::string_view name) const {
    const std::optional<double> value = data_.find_number(key(name));
    if (!value) data_.fail(key(name), "nothing", "a number");
    return *value;
  }

  ModelConfig gpt2() {
    json_["n_embd"] = data_.get_index(key("embedding_length"), 1, kMaxSize);
    json_["n_layer"] = data_.get_index(key("block_count"), 1, kMaxLayers);
    json_["n_head"] = data_.get_index(key("attention.head_count"), 1, kMaxSize);
    json_["n_inner"] = data_.get_index(key("feed_forward_length"), 1, kMaxSize);
    json_["n_positions"] = rows_of("position_embd.weight");
    json_["layer_norm_epsilon"] = number("attention.layer_norm_epsilon");
    ModelConfig config = parse_gpt2(json_, data_.file());
    config.model_type = "gpt2";
    config.conv1d = false;  // its files hold [outputs, inputs], as those of all families
    return config;
  }

  ModelConfig llama_like() {
    const Index hidden = data_.get_index(key("embedding_length"), 1, kMaxSize);
    const Index heads = data_.get_index(key("attention.head_count"), 1, hidden);
    json_["hidden_size"] = hidden;
    json_["num_hidden_layers"] = data_.get_index(key("block_count"), 1, kMaxLayers);
    json_["num_attention_heads"] = heads;
    json_["num_key_value_heads"] = size_of_all_layers("attention.head_count_kv", 1).value_or(heads);
    const std::optional<Index> inner = size_of_all_layers("feed_forward_length", 1);
    if (!inner) data_.fail(key("feed_forward_length"), "nothing", "an integer");
    json_["intermediate_size"] = *inner;
    json_["max_position_embeddings"] = data_.get_index(key("context_length"), 1, kMaxSize);
    json_["rms_norm_eps"] = number("attention.layer_norm_rms_epsilon");
    put_head_size(hidden / heads);
    put_rope();
    json_["sliding_window"] = nullptr;
    ModelConfig config = parse_family();
    config.qkv_bias = config.qkv_bias || has("blk.0.attn_q.bias");
    config.attention_output_bias = has("blk.0.attn_output.bias");
    config.mlp_bias = has("blk.0.ffn_down.bias");
    config.rope.divisors = rope_divisors(config.head_dim / 2);
    return config;
  }

  /// Mistral's files say that they are Llama's; a window makes the difference.
  ModelConfig parse_family() {
    const auto window = data_.find_index(key("attention.sliding_window"), 0, kMaxSize);
    const bool windowed = window.value_or(0) > 0;
    if (windowed && architecture_ != "llama") {
      data_.fail(key("attention.sliding_window"), fmt::format("{}", *window), "0: full attention");
    }
    if (windowed) json_["sliding_window"] = *window;
    const std::string type = windowed ? "mistral" : architecture_;
    const auto family = std::find_if(kFamilies.begin(), kFamilies.end(),
                                     [&](const Family& one) { return one.model_type == type; });
    ModelConfig config = family->parse(json_, data_.file());
    config.model_type = type;
    return config;
  }

  void put_head_size(Index otherwise) {
    const Index size = data_.find_index(key("attention.key_length"), 2, kMaxSize).value_or(otherwise);
    json_["head_dim"] = size;
    for (const char* name : {"attention.value_length", "rope.dimension_count"}) {
      const Index other = data_.find_index(key(name), 0, kMaxSize).value_or(size);
      if (other == size) continue;
      data_.fail(key(name), fmt::format("{}", other), fmt::format("{}, the size of the heads", size));
    }
  }

  void put_rope() {
    json_["rope_theta"] = data_.find_number(key("rope.freq_base")).value_or(10000.0);
    const std::string* const type = data_.find_string(key("rope.scaling.type"));
    if (type != nullptr && *type == "none") return;
    if (type != nullptr && *type != "linear") {
      data_.fail(key("rope.scaling.type"), io::in_quotes(*type), "none or linear");
    }
    if (data_.find_number(key("rope.scaling.attn_factor")).value_or(1.0) != 1.0) {
      data_.fail(key("rope.scaling.attn_factor"), "another factor", "1");
    }
    const double factor = data_.find_number(key("rope.scaling.factor"))
                              .value_or(data_.find_number(key("rope.scale_linear")).value_or(1.0));
    if (factor == 0.0 || factor == 1.0) return;  // 0: none
    json_["rope_scaling"] = {{"rope_type", "linear"}, {"factor", factor}};
  }

  /// Llama 3.1's scaling, worked out by whoever wrote the file.
  [[nodiscard]] std::vector<float> rope_divisors(Index count) const {
    const io::GgufTensor* const tensor = model_.find(kRopeDivisors);
    if (tensor == nullptr) return {};
    const auto fail = [&](const std::string& found, const std::string& expected) {
      throw Error("[load] {}: tensor {}: found {}; expected {}", data_.file(), io::in_quotes(kRopeDivisors),
                  found, expected);
    };
    if (tensor->type->name != "F32" || tensor->elements() != count) {
      fail(fmt::format("{} [{}]", tensor->type->name, fmt::join(tensor->shape, ",")),
           fmt::format("F32 [{}]", count));
    }
    std::vector<float> divisors(static_cast<std::size_t>(count));
    std::memcpy(divisors.data(), tensor->bytes.data(), tensor->bytes.size());
    for (const float divisor : divisors) {
      if (!std::isnormal(divisor) || divisor < 0) fail(fmt::format("{}", divisor), "numbers above 0");
    }
    return divisors;
  }

  const io::GgufModel& model_;
  const io::GgufMetadata& data_;
  const std::string& architecture_;
  io::Json json_ = io::Json::object();
};

}  // namespace

ModelConfig gguf_model_config(const io::GgufModel& model) {
  return GgufConfigReader(model).read();
}

std::string gguf_config_text(const io::GgufModel& model) {
  std::string text;
  for (const auto& [key, value] : model.metadata().values()) {
    if (const auto* number = std::get_if<Index>(&value)) text += fmt::format("{}={}\n", key, *number);
    if (const auto* real = std::get_if<double>(&value)) text += fmt::format("{}={}\n", key, *real);
    if (const auto* flag = std::get_if<bool>(&value)) text += fmt::format("{}={}\n", key, *flag);
    if (const auto* words = std::get_if<std::string>(&value)) text += fmt::format("{}={}\n", key, *words);
  }
  return text;
}

}  // namespace lorry::model
