#include "model/full_parameters.hpp"

#include <gtest/gtest.h>

#include "io/io_support.hpp"
#include "io/tensor_folder.hpp"
#include "model/golden_case.hpp"
#include "model/model_folder.hpp"
#include "optim/optimizer.hpp"
#include "support/random_matrix.hpp"

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
  optim::Optimizer optimizer(golden.ops(), parameters, {.weight_decay = 0.01});
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

TEST(FullParameters, SaveAndLoadGiveTheSameNumbersInEveryType) {
  for (const char* name : {"llama3", "llama_f16", "llama_bf16"}) {  // the first with a tied head
    GoldenCase golden(name);
    const ModelConfig& config = golden.decoder().config();
    const FullParameters full(golden.ops(), config, golden.weights(), DType::kBF16);
    const DType stored = stored_dtype(golden.folder() / "model");
    for (const DType dtype : {stored, DType::kF32}) {
      const io::ScratchFolder folder;
      full.save(folder / "model.safetensors", dtype);
      const io::TensorFolder saved(folder.path());
      EXPECT_EQ(saved.names().size(), list_tensors(config).size()) << name;
      EXPECT_EQ(saved.at("model.norm.weight").dtype, dtype) << name;
      const Weights weights = load_weights(folder.path(), config);
      for (const TensorSpec& spec : list_tensors(config)) {
        const ConstMatrixView got = weights.at(spec.name).as_dense();
        const ConstMatrixView want = golden.weights().at(spec.name).as_dense();
        // Nothing was trained, so even the narrow type it came in loses nothing.
        for (Index i = 0; i < want.rows; ++i) {
          for (Index j = 0; j < want.cols; ++j) {
            ASSERT_EQ(testing::get(got, i, j), testing::get(want, i, j)) << name << " " << spec.name;
          }
        }
      }
    }
  }
}

TEST(FullParameters, MatricesDecayAndTheRestDoesNot) {
  GoldenCase golden("gpt2");
  FullParameters full(golden.ops(), golden.decoder().config(), golden.weights(), DType::kF32);
  Index count = 0;
  for (const optim::Parameter& parameter : full.parameters()) {
    const bool vector = parameter.name.ends_with(".bias") || parameter.name.find("ln_") != std::string::npos;
    EXPECT_EQ(parameter.decay, !vector) << parameter.name;
    count += parameter.value.size();
  }
  EXPECT_EQ(full.count_parameters(), count);
  EXPECT_EQ(count, count_weights(golden.decoder().config()));
}

}  // namespace
}  // namespace lorry::model
