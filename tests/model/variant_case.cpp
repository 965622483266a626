#include "model/variant_case.hpp"

#include <algorithm>
#include <cmath>

#include "optim/optimizer.hpp"

namespace lorry::model {

namespace {

constexpr Index kVariantSteps = 20;

/// As files hold it: B is [outputs, rank], and a magnitude has one dimension.
Matrix in_file_layout(const optim::Parameter& parameter, ConstMatrixView view) {
  if (parameter.name.ends_with(".lora_B.weight")) return transposed(view);
  Matrix copy(view.rows, view.cols);
  for (Index i = 0; i < view.rows; ++i) std::copy_n(view.row<float>(i), view.cols, copy.row<float>(i));
  return copy;
}

}  // namespace

VariantCase::VariantCase(const std::string& name)
    : GoldenCase(name.substr(0, name.find('.'))), name_(name), base_(name.substr(0, name.find('.'))) {
  documents_ = documents();
  for (Index step = 0; step < kVariantSteps; ++step) training_.push_back(training_documents(step));
  use_reference(golden_folder() / "variants" / "reference.safetensors");
}

std::filesystem::path VariantCase::adapter_folder() const {
  return golden_folder() / "variants" / "adapters" / name_;
}

Matrix VariantCase::logits(Decoder& decoder) {
  const data::Batch batch = pack({documents_[1]});
  Matrix logits(batch.rows(), decoder.config().vocab_size);
  Decoder::Workspace workspace;
  decoder.logits(batch, workspace, logits);
  return logits;
}

void VariantCase::expect_peft() {
  const Matrix before = logits();
  Adapter adapter = load_adapter(adapter_folder(), decoder());
  adapter.attach(decoder());
  EXPECT_GE(relative_difference(before, of_case("logits")), 1e-3) << "changes too little to tell";
  EXPECT_LE(relative_difference(logits(), of_case("logits")), 1e-5);
  if (!has(name_ + ".loss")) return;
  const std::vector<optim::Parameter> parameters = adapter.parameters();
  const data::Batch batch = pack(documents_);
  Decoder::Workspace workspace;
  const auto targets = static_cast<float>(batch.target_count);
  const double loss = decoder().loss_and_gradient(batch, {.gradient_scale = 1.0F / targets}, workspace);
  EXPECT_NEAR(loss / targets, of_case("loss").row<float>(0)[0], 1e-5);
  for (const optim::Parameter& parameter : parameters) {
    // PEFT's parameter has a ".weight" that its files have not.
    const bool magnitude = parameter.name.ends_with("lora_magnitude_vector");
    const Matrix want = of_case("grad." + parameter.name + (magnitude ? ".weight" : ""));
    // Float32's noise in these references is 3e-6 (tests/golden/README.md).
    EXPECT_LE(relative_difference(in_file_layout(parameter, parameter.gradient), want), 1e-4)
        << parameter.name;
  }
}

void VariantCase::expect_losses(Adapter& adapter) {
  optim::Optimizer optimizer(ops(), adapter.parameters(), {.weight_decay = 0.01});
  const Matrix losses = of_case("losses");
  ASSERT_EQ(losses.cols(), kVariantSteps);
  Decoder::Workspace workspace;
  for (Index step = 0; step < kVariantSteps; ++step) {
    const data::Batch batch = pack(training_[static_cast<std::size_t>(step)]);
    adapter.zero_gradients();
    const auto targets = static_cast<float>(batch.target_count);
    const double loss = decoder().loss_and_gradient(batch, {.gradient_scale = 1.0F / targets}, workspace);
    EXPECT_NEAR(loss / targets, losses.row<float>(0)[step], 1e-4) << "step " << step;
    optimizer.step(2e-3);
    adapter.renew_norms(decoder());
  }
}

std::string variant_name(const ::testing::TestParamInfo<const char*>& test) {
  std::string name = test.param;
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

}  // namespace lorry::model
