#include "model/full_parameters.hpp"

#include <gtest/gtest.h>

#include "model/golden_case.hpp"
#include "optim/adamw.hpp"

namespace lorry::model {
namespace {

class FullFineTuning : public ::testing::TestWithParam<const char*> {};

TEST_P(FullFineTuning, EveryGradientMatchesTransformers) {
  GoldenCase golden(GetParam());
  FullParameters full(golden.ops(), golden.decoder().config(), golden.weights(), DType::kF32);
  Decoder decoder(golden.ops(), golden.decoder().config(), full.weights(), DType::kF32);
  full.attach(decoder);
  const data::Batch batch = pack(golden.documents());
  Decoder::Workspace workspace;
  decoder.loss_and_gradient(batch, {.gradient_scale = 1.0F / static_cast<float>(batch.target_count)},
                            workspace);
  for (const optim::Parameter& parameter : full.parameters()) {
    const Matrix want = golden.tensor("full_grad." + parameter.name);
    EXPECT_LE(relative_difference(parameter.gradient, want), 1e-3) << parameter.name;
    EXPECT_GE(cosine(parameter.gradient, want), 0.99999) << parameter.name;
  }
}

TEST_P(FullFineTuning, TwentyStepsGiveTheSameLosses) {
  GoldenCase golden(GetParam());
  FullParameters full(golden.ops(), golden.decoder().config(), golden.weights(), DType::kF32);
  Decoder decoder(golden.ops(), golden.decoder().config(), full.weights(), DType::kF32);
  full.attach(decoder);
  std::vector<optim::Parameter> parameters = full.parameters();
  for (optim::Parameter& parameter : parameters) parameter.decay = true;  // as the reference does
  optim::AdamW optimizer(golden.ops(), parameters, {.weight_decay = 0.01});
  const Matrix losses = golden.tensor("full_train.losses");
  Decoder::Workspace workspace;
  for (Index step = 0; step < losses.cols(); ++step) {
    const data::Batch batch = pack(golden.training_documents(step));
    full.zero_gradients();
    const auto targets = static_cast<float>(batch.target_count);
    const double loss = decoder.loss_and_gradient(batch, {.gradient_scale = 1.0F / targets}, workspace);
    EXPECT_NEAR(loss / targets, losses.row<float>(0)[step], 1e-4) << "step " << step;
    optimizer.step(2e-3);
    full.refresh();
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, FullFineTuning, ::testing::Values("llama3", "gpt2"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace lorry::model
