// Every family against transformers and PEFT in float32 (tests/golden/README.md).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "generate/generator.hpp"
#include "model/golden_case.hpp"
#include "optim/optimizer.hpp"

namespace lorry::model {
namespace {

constexpr double kLogits = 1e-4;
constexpr double kLoss = 1e-5;
constexpr double kGradient = 1e-3;
constexpr double kCosine = 0.99999;
constexpr double kTrained = 1e-3;

class Families : public ::testing::TestWithParam<const char*> {
 protected:
  /// Keeps the largest of some differences for --gtest_output=xml, where the margins can be read.
  void record(double difference) {
    worst_ = std::max(worst_, difference);
    RecordProperty("worst", fmt::format("{:.2e}", worst_));
  }

 private:
  double worst_ = 0;
};

/// B has the layout of the file in the references.
Matrix as_in_file(const optim::Parameter& parameter, ConstMatrixView view) {
  if (parameter.name.ends_with(".lora_B.weight")) return transposed(view);
  Matrix copy(view.rows, view.cols);
  for (Index i = 0; i < view.rows; ++i) std::copy_n(view.row<float>(i), view.cols, copy.row<float>(i));
  return copy;
}

/// Returns the largest difference.
double expect_logits(GoldenCase& golden, const std::string& suffix) {
  Decoder::Workspace workspace;
  double worst = 0;
  for (Index i = 0; i < 3; ++i) {
    const data::Batch batch = pack({golden.document(i)});
    Matrix logits(batch.rows(), golden.decoder().config().vocab_size);
    golden.decoder().logits(batch, workspace, logits);
    const Matrix want = golden.tensor("document." + std::to_string(i) + ".logits_" + suffix);
    const double difference = relative_difference(logits, want);
    EXPECT_LE(difference, kLogits) << "document " << i << " " << suffix;
    worst = std::max(worst, difference);
  }
  return worst;
}

TEST_P(Families, LogitsMatchTransformers) {
  GoldenCase golden(GetParam());
  record(expect_logits(golden, "base"));
  Adapter adapter = golden.adapter();
  adapter.attach(golden.decoder());
  record(expect_logits(golden, "adapter"));
  Adapter::detach(golden.decoder());
  record(expect_logits(golden, "base"));
}

TEST_P(Families, PackedLossMatchesTransformers) {
  GoldenCase golden(GetParam());
  const data::Batch batch = pack(golden.documents());
  Decoder::Workspace workspace;
  const auto targets = static_cast<double>(batch.target_count);
  const double base = golden.decoder().loss(batch, workspace) / targets;
  record(std::abs(base / golden.scalar("loss_base") - 1));
  EXPECT_NEAR(base, golden.scalar("loss_base"), kLoss * base);
  Adapter adapter = golden.adapter();
  adapter.attach(golden.decoder());
  const double adapted = golden.decoder().loss(batch, workspace) / targets;
  record(std::abs(adapted / golden.scalar("loss_adapter") - 1));
  EXPECT_NEAR(adapted, golden.scalar("loss_adapter"), kLoss * adapted);
}

TEST_P(Families, LoraGradientsMatchPeft) {
  GoldenCase golden(GetParam());
  Adapter adapter = golden.adapter();
  adapter.attach(golden.decoder());
  const std::vector<optim::Parameter> parameters = adapter.parameters();
  const data::Batch batch = pack(golden.documents());
  Decoder::Workspace workspace;
  golden.decoder().loss_and_gradient(batch, {.gradient_scale = 1.0F / static_cast<float>(batch.target_count)},
                                     workspace);
  for (const optim::Parameter& parameter : parameters) {
    const Matrix got = as_in_file(parameter, parameter.gradient);
    const Matrix want = golden.tensor("grad." + parameter.name);
    const double difference = relative_difference(got, want);
    record(difference);
    EXPECT_LE(difference, kGradient) << parameter.name;
    EXPECT_GE(cosine(got, want), kCosine) << parameter.name;
  }
}

TEST_P(Families, TwentyAdamWStepsMatchPeft) {
  GoldenCase golden(GetParam());
  Adapter adapter = golden.adapter();
  adapter.attach(golden.decoder());
  optim::Optimizer optimizer(golden.ops(), adapter.parameters(), {.weight_decay = 0.01});
  const Matrix losses = golden.tensor("train.losses");
  Decoder::Workspace workspace;
  for (Index step = 0; step < losses.cols(); ++step) {
    const data::Batch batch = pack(golden.training_documents(step));
    adapter.zero_gradients();
    const auto targets = static_cast<float>(batch.target_count);
    const double loss =
        golden.decoder().loss_and_gradient(batch, {.gradient_scale = 1.0F / targets}, workspace);
    EXPECT_NEAR(loss / targets, losses.row<float>(0)[step], 1e-4) << "step " << step;
    optimizer.step(2e-3);
  }
  for (const optim::Parameter& parameter : optimizer.parameters()) {
    const Matrix got = as_in_file(parameter, parameter.value);
    const double difference = relative_difference(got, golden.tensor("trained." + parameter.name));
    record(difference);
    EXPECT_LE(difference, kTrained) << parameter.name;
  }
}

TEST_P(Families, RecomputingBlocksGivesTheSameBits) {
  GoldenCase golden(GetParam());
  Adapter adapter = golden.adapter();
  adapter.attach(golden.decoder());
  for (auto& entry : adapter.entries()) entry->update.dropout = 0.3F;
  const std::vector<optim::Parameter> parameters = adapter.parameters();
  const data::Batch batch = pack(golden.documents());
  std::array<std::vector<std::vector<float>>, 2> gradients;
  for (const bool checkpoint : {false, true}) {
    Decoder::Workspace workspace;
    adapter.zero_gradients();
    golden.decoder().loss_and_gradient(batch, {.grad_checkpoint = checkpoint, .dropout_seed = 5}, workspace);
    for (const optim::Parameter& parameter : parameters) {
      const float* values = parameter.gradient.row<float>(0);
      gradients[checkpoint ? 1 : 0].emplace_back(values, values + parameter.gradient.size());
    }
  }
  EXPECT_EQ(gradients[0], gradients[1]);
}

TEST_P(Families, GreedyGenerationMatchesTransformers) {
  GoldenCase golden(GetParam());
  const std::vector<std::int32_t> prompt = golden.ids("generate.prompt");
  const std::vector<std::int32_t> want = golden.ids("generate.base");
  const generate::GenerationOptions options = {
      .max_new_tokens = static_cast<Index>(want.size()), .sampler = {}, .stop_ids = {}};
  EXPECT_EQ(generate::generate(golden.decoder(), prompt, options).ids, want);
  Adapter adapter = golden.adapter();
  adapter.attach(golden.decoder());
  EXPECT_EQ(generate::generate(golden.decoder(), prompt, options).ids, golden.ids("generate.adapter"));
}

TEST_P(Families, OldConfigSpellingMeansTheSame) {
  GoldenCase golden(GetParam(), DType::kF32, "model", "config_old.json");
  expect_logits(golden, "base");
}

INSTANTIATE_TEST_SUITE_P(Golden, Families,
                         ::testing::Values("gpt2", "llama", "llama3", "llama_bf16", "llama_f16",
                                           "llama_linear", "mistral", "qwen2", "qwen3"),
                         [](const auto& test) { return std::string(test.param); });

TEST(Gpt2, FilesWithoutTheRootNameLoadAlike) {
  GoldenCase golden("gpt2", DType::kF32, "model_hub");
  expect_logits(golden, "base");
}

TEST(Bf16, LogitsStayNearFloat32) {
  for (const char* name : {"llama", "qwen3", "gpt2", "mistral"}) {
    GoldenCase golden(name, DType::kBF16);
    Adapter adapter = golden.adapter();
    adapter.attach(golden.decoder());
    const data::Batch batch = pack({golden.document(0)});
    Matrix logits(batch.rows(), golden.decoder().config().vocab_size);
    Decoder::Workspace workspace;
    golden.decoder().logits(batch, workspace, logits);
    // BF16 keeps 8 bits: each product is off by up to 2^-9, and a few of them add up.
    EXPECT_LE(relative_difference(logits, golden.tensor("document.0.logits_adapter")), 0.03) << name;
  }
}

}  // namespace
}  // namespace lorry::model
