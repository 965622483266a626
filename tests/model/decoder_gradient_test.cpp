// The whole decoder, from embedding to loss, against complex steps through the reference operators.
#include <gtest/gtest.h>

#include "data/packing.hpp"
#include "model/adapter.hpp"
#include "model/full_parameters.hpp"
#include "nn/reference_modules.hpp"
#include "ops/reference/cross_entropy.hpp"
#include "ops/reference/embedding.hpp"

namespace lorry::model {
namespace {

using nn::Values;
using ops::reference::Dense;

constexpr float kScale = 0.25F;
constexpr testing::Tolerance kTolerance = {.max_rel = 2e-5, .cosine = 1e-9};
/// Of W_q or W_k alone: small differences in the softmax, which carry the rounding of larger terms (measured:
/// 6e-5 and 1.5e-9).
constexpr testing::Tolerance kPartTolerance = {.max_rel = 1e-4, .cosine = 1e-8};

/// Two layers with names short enough to serve as the reference's.
ModelConfig small_config() {
  ModelConfig config;
  config.vocab_size = 13;
  config.hidden_size = 8;
  config.intermediate_size = 10;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 2;
  config.num_key_value_heads = 2;
  config.head_dim = 4;
  config.max_position_embeddings = 8;
  config.norm_eps = 1e-5F;
  config.names.root = "";
  config.names.embedding = "embedding";
  config.names.attention_norm = "norm1";
  config.names.qkv = {"q", "k", "v"};
  config.names.attention_output = "o";
  config.names.q_norm = "q_norm";
  config.names.k_norm = "k_norm";
  config.names.mlp_norm = "norm2";
  config.names.gate = "gate";
  config.names.up = "up";
  config.names.down = "down";
  config.names.head = "head";
  return config;
}

/// What Llama, Mistral, Qwen2 and Qwen3 have between them.
ModelConfig rotary_config() {
  ModelConfig config = small_config();
  config.num_attention_heads = 4;
  config.sliding_windows = {0, 3};
  config.qk_norm = true;
  config.qkv_bias = true;
  return config;
}

ModelConfig gpt2_config() {
  ModelConfig config = small_config();
  config.norm = nn::NormKind::kLayer;
  config.names.position_embedding = "positions";
  config.names.qkv = {"qkv"};
  config.names.gate = "";
  config.qkv_bias = config.attention_output_bias = config.mlp_bias = true;
  config.conv1d = true;
  config.tie_word_embeddings = true;
  return config;
}

data::Batch make_batch() {
  const std::vector<data::Document> documents = {{.ids = {3, 1, 4, 1, 5, 9, 2}, .targets_from = 1},
                                                 {.ids = {6, 12, 3, 5}, .targets_from = 2}};
  return data::make_batch(documents, std::vector<data::Sequence>{{0, 1}}, 4);
}

template <class T>
Values<T> within(const Values<T>& values, const std::string& prefix) {
  Values<T> inner;
  for (const auto& [name, value] : values) {
    if (name.starts_with(prefix)) inner[name.substr(prefix.size())] = value;
  }
  return inner;
}

/// kScale times the summed loss.
template <class T>
T reference_loss(const ModelConfig& config, const Values<T>& values, const data::Batch& batch,
                 float lora_scale) {
  const bool layer_norm = config.norm == nn::NormKind::kLayer;
  const auto norm = [&](const Values<T>& from, const std::string& name, const Dense<T>& x) {
    const Dense<T> bias = layer_norm ? from.at(name + ".bias") : Dense<T>{};
    return ops::reference::norm(x, from.at(name + ".weight"), bias, static_cast<double>(config.norm_eps),
                                layer_norm);
  };
  nn::AttentionFacts attention;
  attention.shape = {.heads = config.num_attention_heads,
                     .kv_heads = config.num_key_value_heads,
                     .head_dim = config.head_dim,
                     .scale = 1.0F / std::sqrt(static_cast<float>(config.head_dim))};
  attention.qkv = config.names.qkv;
  attention.norms = config.qk_norm;
  attention.eps = static_cast<double>(config.norm_eps);
  attention.positions = batch.positions;
  attention.offsets = batch.offsets;
  attention.linear = {.inputs_by_outputs = config.conv1d, .scale = static_cast<double>(lora_scale)};
  if (config.names.qkv.size() == 1) {
    attention.linear.parts = {{"q", 0}, {"k", config.q_width()}, {"v", config.q_width() + config.k_width()}};
  }
  Dense<T> x = ops::reference::embedding(values.at("embedding.weight"), batch.ids);
  if (config.names.position_embedding.empty()) {
    attention.rope = ops::reference::dense<double>(nn::make_rope_table(config.rope, config.head_dim, 8));
  } else {
    ops::reference::add(ops::reference::embedding(values.at("positions.weight"), batch.positions), T(1), x);
  }
  for (Index layer = 0; layer < config.num_hidden_layers; ++layer) {
    const Values<T> block = within(values, config.block_name(layer));
    attention.shape.window = config.window(layer);
    ops::reference::add(nn::self_attention(block, norm(block, "norm1", x), attention), T(1), x);
    ops::reference::add(nn::mlp(block, norm(block, "norm2", x), attention.linear), T(1), x);
  }
  Values<T> head = within(values, "head.");
  if (config.tie_word_embeddings) head["weight"] = values.at("embedding.weight");
  Values<T> named;
  for (const auto& [name, value] : head) named["head." + name] = value;
  const Dense<T> logits =
      nn::linear(named, "head", norm(values, "norm", x), {.scale = static_cast<double>(lora_scale)});
  return T(kScale) * ops::reference::cross_entropy(logits, batch.targets);
}

/// A decoder on random weights: no norm weight one, no bias zero.
struct Problem {
  explicit Problem(ModelConfig model_config) : config(std::move(model_config)), ops(ops::make_cpu_ops(1)) {
    for (const TensorSpec& spec : list_tensors(config)) {
      weights.add(spec.name, operands.add(spec.name, spec.rows(), spec.cols(), DType::kF32, 0.5F));
    }
    decoder = std::make_unique<Decoder>(*ops, config, weights, DType::kF32);
  }

  /// By the operands of `own` alone, since each element costs a pass.
  [[nodiscard]] Values<double> gradients(const Values<double>& own, float lora_scale) const {
    Values<testing::Complex> all = nn::cast<testing::Complex>(operands.values);
    return nn::complex_gradients(
        [&](const Values<testing::Complex>& varied) {
          for (const auto& [name, value] : varied) all[name] = value;
          return reference_loss(config, all, batch, lora_scale);
        },
        own);
  }
  void expect_loss(double loss, float lora_scale) const {
    const double want =
        reference_loss(config, operands.values, batch, lora_scale) / static_cast<double>(kScale);
    EXPECT_NEAR(loss, want, 1e-6 * want);
  }

  ModelConfig config;
  std::unique_ptr<ops::Ops> ops;
  nn::Operands operands;
  Weights weights;
  std::unique_ptr<Decoder> decoder;
  data::Batch batch = make_batch();
};

/// An adapter whose B is not zero, attached, its values among the operands as NAME.a and NAME.b.
Adapter attach_adapter(Problem& p, std::string_view targets) {
  PeftConfig config;
  config.r = 2;
  config.lora_alpha = 3.0F;
  config.target_modules.pattern = targets;
  Adapter adapter = Adapter::create(config, *p.decoder, 1);
  std::uint64_t seed = 500;
  for (auto& entry : adapter.entries()) {
    testing::fill_random(entry->update.a, ++seed, 0.5F);
    testing::fill_random(entry->update.b_transposed, ++seed, 0.5F);
    p.operands.values[entry->module + ".a"] = ops::reference::dense<double>(entry->update.a);
    p.operands.values[entry->module + ".b"] = ops::reference::dense<double>(entry->update.b_transposed);
  }
  adapter.attach(*p.decoder);
  return adapter;
}

void expect_adapter_gradients(Problem& p, std::string_view targets, bool checkpoint, Index kept_blocks,
                              testing::Tolerance tolerance = kTolerance) {
  Adapter adapter = attach_adapter(p, targets);
  const std::vector<optim::Parameter> parameters = adapter.parameters();
  adapter.zero_gradients();
  Decoder::Workspace workspace;
  const float scale = adapter.config().scale();
  p.expect_loss(p.decoder->loss(p.batch, workspace), scale);
  const PassOptions options = {.gradient_scale = kScale, .grad_checkpoint = checkpoint};
  p.expect_loss(p.decoder->loss_and_gradient(p.batch, options, workspace), scale);
  EXPECT_EQ(workspace.inputs.kept(), kept_blocks + 1);
  Values<double> own;
  for (const auto& entry : adapter.entries()) {
    for (const char* half : {".a", ".b"})
      own[entry->module + half] = p.operands.values.at(entry->module + half);
  }
  const Values<double> want = p.gradients(own, scale);
  for (const auto& entry : adapter.entries()) {
    const nn::LowRankUpdate& update = entry->update;
    EXPECT_TRUE(near(update.a_gradient, want.at(entry->module + ".a"), tolerance)) << entry->module << " A";
    EXPECT_TRUE(near(update.b_gradient, want.at(entry->module + ".b"), tolerance)) << entry->module << " B";
  }
}

TEST(DecoderGradients, OfEveryAdaptedMapMatchComplexSteps) {
  for (const ModelConfig& config : {rotary_config(), gpt2_config()}) {
    Problem p(config);
    expect_adapter_gradients(p, "(?!head).*", false, 2);
  }
}

TEST(DecoderGradients, OfPartsOfAFusedMapMatchComplexSteps) {
  Problem thirds(gpt2_config());
  expect_adapter_gradients(thirds, R"(.*qkv\.[qkv])", false, 2, kPartTolerance);
  // Fewer key and value heads than query heads make parts of different heights.
  ModelConfig narrow = gpt2_config();
  narrow.num_key_value_heads = 1;
  Problem beside_others(narrow);
  expect_adapter_gradients(beside_others, R"(.*\.(qkv\.[qv]|o|down))", false, 2, kPartTolerance);
  Problem above(narrow);
  expect_adapter_gradients(above, R"(layers\.1\.qkv\.k)", false, 1, kPartTolerance);
}

TEST(DecoderGradients, OfAnAdaptedHeadMatchComplexSteps) {
  Problem whole(rotary_config());
  expect_adapter_gradients(whole, ".*", false, 2);
  Problem alone(rotary_config());
  expect_adapter_gradients(alone, "head", false, 0);
}

TEST(DecoderGradients, AreExactWhereBackwardStopsAboveTheLowestLayers) {
  for (const char* targets : {R"(layers\.1\.(q|v))", R"(layers\.1\.down)", R"(layers\.1\.o|head)"}) {
    for (const bool checkpoint : {false, true}) {
      Problem p(rotary_config());
      expect_adapter_gradients(p, targets, checkpoint, 1);
    }
  }
}

TEST(DecoderGradients, OfEveryWeightMatchComplexSteps) {
  for (const ModelConfig& config : {rotary_config(), gpt2_config()}) {
    Problem p(config);
    FullParameters full(*p.ops, config, p.weights, DType::kF32);
    Decoder decoder(*p.ops, config, full.weights(), DType::kF32);
    full.attach(decoder);
    full.zero_gradients();
    Decoder::Workspace workspace;
    p.expect_loss(decoder.loss_and_gradient(p.batch, {.gradient_scale = kScale}, workspace), 1.0F);
    const Values<double> want = p.gradients(p.operands.values, 1.0F);
    for (const optim::Parameter& parameter : full.parameters()) {
      EXPECT_TRUE(near(parameter.gradient, want.at(parameter.name), kTolerance)) << parameter.name;
    }
  }
}

}  // namespace
}  // namespace lorry::model
