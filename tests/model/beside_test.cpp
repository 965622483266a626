// Adapters that train more than A and B of linear layers, against PEFT: tests/golden/beside.
#include <gtest/gtest.h>

#include "io/io_support.hpp"
#include "io/json_file.hpp"
#include "io/tensor_folder.hpp"
#include "model/golden_case.hpp"
#include "model/merge.hpp"
#include "model/peft_names.hpp"
#include "model/tensor_values.hpp"
#include "optim/optimizer.hpp"
#include "support/random_matrix.hpp"

namespace lorry::model {
namespace {

// Relative, in float32; the largest seen: 5e-7, 2e-6, 4e-5.
constexpr double kBesideLogits = 5e-6;
constexpr double kBesideGradient = 2e-5;
constexpr double kBesideTrained = 2e-4;  // Adam divides by roots of small second moments

std::filesystem::path beside() {
  return golden_folder() / "beside";
}

/// The names of the cases of which the field is true.
std::vector<std::string> beside_cases(const char* field = nullptr) {
  std::vector<std::string> names;
  const io::Json all = io::read_json_file(beside() / "cases.json");
  for (const auto& [name, value] : all.items()) {
    if (field == nullptr || value.at(field).get<bool>()) names.push_back(name);
  }
  return names;
}

/// One case: the family's model and PEFT's adapter for it.
class Beside : public ::testing::TestWithParam<std::string> {
 protected:
  Beside()
      : golden_(io::read_json_file(beside() / "cases.json").at(GetParam()).at("family").get<std::string>()) {
    golden_.use_reference(folder() / "reference.safetensors");
  }

  [[nodiscard]] static std::filesystem::path folder() { return beside() / GetParam(); }
  [[nodiscard]] Adapter adapter() { return load_adapter(folder() / "adapter", golden_.decoder()); }
  [[nodiscard]] Matrix logits(Decoder& decoder) const { return logits_of(decoder, golden_.labelled()); }
  /// The mean loss; adds its gradient.
  double loss_and_gradient(bool grad_checkpoint = false) {
    const data::Batch rows = golden_.labelled();
    const auto targets = static_cast<double>(rows.target_count);
    const PassOptions options = {.gradient_scale = static_cast<float>(1.0 / targets),
                                 .grad_checkpoint = grad_checkpoint};
    return golden_.decoder().loss_and_gradient(rows, options, workspace_) / targets;
  }
  /// `value` as PEFT's file has it; vectors have one row.
  [[nodiscard]] static Matrix in_file(const std::string& name, ConstMatrixView value) {
    const bool flat = name.ends_with(kLoraB) || name.find("lora_embedding_") != std::string::npos;
    if (flat) return transposed(value);
    Matrix copy(value.rows, value.cols);
    for (Index i = 0; i < value.rows; ++i) {
      std::copy_n(value.row<float>(i), value.cols, copy.row<float>(i));
    }
    return copy;
  }

  /// A bias of all keys moves every score of a row alike, so without rotary positions its gradient is zero
  /// but for rounding, of which Adam makes steps of full length.
  static void clear_keys(Matrix& bias) {
    const Index width = bias.cols() / 3;
    std::fill_n(bias.row<float>(0) + width, width, 0.0F);
  }

  GoldenCase golden_;
  Decoder::Workspace workspace_;
};

TEST_P(Beside, LogitsMatchPeftAndDetachingGivesTheModelBack) {
  const Matrix before = logits(golden_.decoder());
  Adapter adapted = adapter();
  adapted.attach(golden_.decoder());
  const Matrix got = logits(golden_.decoder());
  EXPECT_LE(relative_difference(got, golden_.tensor("logits")), kBesideLogits);
  EXPECT_GE(relative_difference(got, before), 0.01);
  Adapter::detach(golden_.decoder());
  EXPECT_TRUE(testing::same_bits(logits(golden_.decoder()), before));
}

TEST_P(Beside, LossAndGradientsMatchPeft) {
  Adapter adapted = adapter();
  const std::vector<optim::Parameter> parameters = adapted.parameters();
  adapted.attach(golden_.decoder());
  const double want = golden_.scalar("loss");
  EXPECT_NEAR(loss_and_gradient(), want, 2e-6 * want);
  std::size_t expected = 0;
  const io::SafetensorsFile reference(folder() / "reference.safetensors");
  for (const io::TensorView& tensor : reference.tensors())
    expected += tensor.name.starts_with("grad.") ? 1 : 0;
  EXPECT_EQ(parameters.size(), expected);
  for (const optim::Parameter& parameter : parameters) {
    const Matrix got = in_file(parameter.name, parameter.gradient);
    EXPECT_LE(relative_difference(got, golden_.tensor("grad." + parameter.name)), kBesideGradient)
        << parameter.name;
  }
}

TEST_P(Beside, RecomputingBlocksGivesTheSameGradients) {
  Adapter adapted = adapter();
  const std::vector<optim::Parameter> parameters = adapted.parameters();
  adapted.attach(golden_.decoder());
  const double loss = loss_and_gradient();
  std::vector<Matrix> gradients;
  for (const optim::Parameter& parameter : parameters) gradients.push_back(in_file("", parameter.gradient));
  adapted.zero_gradients();
  EXPECT_EQ(loss_and_gradient(true), loss);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    EXPECT_TRUE(testing::same_bits(gradients[i], parameters[i].gradient)) << parameters[i].name;
  }
}

/// (L(x + h d) - L(x - h d)) / 2h in d, the gradient's own direction, is the gradient's length.
TEST_P(Beside, GradientsMatchFiniteDifferences) {
  Adapter adapted = adapter();
  const std::vector<optim::Parameter> parameters = adapted.parameters();
  adapted.attach(golden_.decoder());
  loss_and_gradient();
  const data::Batch rows = golden_.labelled();
  const auto loss_at = [&](const optim::Parameter& parameter, const Matrix& start, double step) {
    const MatrixView to = parameter.value;
    for (Index i = 0; i < to.rows; ++i) {
      for (Index j = 0; j < to.cols; ++j) {
        to.row<float>(i)[j] =
            start.row<float>(i)[j] + static_cast<float>(step) * parameter.gradient.row<float>(i)[j];
      }
    }
    return golden_.decoder().loss(rows, workspace_) / static_cast<double>(rows.target_count);
  };
  for (const optim::Parameter& parameter : parameters) {
    const double squares = golden_.ops().sum_of_squares(parameter.gradient);
    ASSERT_GT(squares, 0) << parameter.name;
    const Matrix start = in_file("", parameter.value);
    const double step = 3e-3 / std::sqrt(squares);  // moves x by 0.003
    const double slope = (loss_at(parameter, start, step) - loss_at(parameter, start, -step)) / (2 * step);
    loss_at(parameter, start, 0);
    // Float32 losses near 5 know 1e-6, which over 0.006 is 2e-4 of a slope of order 1; small slopes less.
    EXPECT_NEAR(slope / squares, 1.0, 5e-3 + 4e-4 / std::sqrt(squares)) << parameter.name;
  }
}

TEST_P(Beside, AdamWStepsMatchPeft) {
  Adapter adapted = adapter();
  optim::Optimizer optimizer(golden_.ops(), adapted.parameters(), {.weight_decay = 0.0});
  adapted.attach(golden_.decoder());
  const Matrix losses = golden_.tensor("train.losses");
  for (Index step = 0; step < losses.cols(); ++step) {
    adapted.zero_gradients();
    EXPECT_NEAR(loss_and_gradient(), losses.row<float>(0)[step], 2e-5) << "step " << step;
    optimizer.step(2e-3);
  }
  for (const optim::Parameter& parameter : optimizer.parameters()) {
    Matrix got = in_file(parameter.name, parameter.value);
    Matrix want = golden_.tensor("trained." + parameter.name);
    if (parameter.name.find("c_attn.") != std::string::npos && parameter.name.ends_with(".bias")) {
      clear_keys(got);
      clear_keys(want);
    }
    EXPECT_LE(relative_difference(got, want), kBesideTrained) << parameter.name;
  }
}

TEST_P(Beside, SavedFilesAreWhatPeftWrote) {
  const io::ScratchFolder scratch;
  save_adapter(scratch.path(), adapter());
  const io::SafetensorsFile want(folder() / "adapter" / kAdapterWeightsFile);
  const io::SafetensorsFile got(scratch / kAdapterWeightsFile);
  std::size_t repeated = 0;  // what PEFT writes without reading it again, or as a copy of the base
  for (const io::TensorView& tensor : want.tensors()) {
    const bool stray = tensor.name.find("original_module") != std::string::npos ||
                       tensor.name.find("modules_to_save") != std::string::npos ||
                       tensor.name.ends_with(".base_layer.weight");
    repeated += stray ? 1 : 0;
    if (stray) continue;
    const io::TensorView& own = got.at(tensor.name);
    EXPECT_EQ(own.shape, tensor.shape) << tensor.name;
    EXPECT_TRUE(std::equal(own.bytes.begin(), own.bytes.end(), tensor.bytes.begin(), tensor.bytes.end()))
        << tensor.name;
  }
  EXPECT_EQ(got.tensors().size() + repeated, want.tensors().size());
  const io::Json theirs = io::read_json_file(folder() / "adapter" / kAdapterConfigFile);
  const io::Json ours = io::read_json_file(scratch / kAdapterConfigFile);
  for (const auto& [key, value] : ours.items()) EXPECT_EQ(value, theirs.at(key)) << key;
  for (const char* key : {"bias", "modules_to_save"}) EXPECT_EQ(ours.at(key), theirs.at(key)) << key;
  for (const char* key : {"lora_bias", "trainable_token_indices"}) {
    EXPECT_EQ(ours.value(key, theirs.at(key)), theirs.at(key)) << key;
  }
}

TEST_P(Beside, MergedWeightsMatchPeftWhereOneFolderCanHoldThem) {
  const io::ScratchFolder scratch;
  const std::filesystem::path model = golden_.folder() / "model";
  const auto merge = [&] {
    merge_adapter(golden_.ops(), model, folder() / "adapter", scratch / "merged", {});
  };
  const bool merges = io::read_json_file(beside() / "cases.json").at(GetParam()).at("merges").get<bool>();
  if (!merges) {
    const std::string error = io::error_of(merge);
    EXPECT_TRUE(error.starts_with("[merge] " + model.string())) << error;
    EXPECT_FALSE(std::filesystem::exists(scratch / "merged"));
    return;
  }
  merge();
  const io::TensorFolder base(model);
  const io::TensorFolder merged(scratch / "merged");
  ASSERT_EQ(merged.names(), base.names());
  for (const std::string& name : base.names()) {
    const io::TensorView& got = merged.at(name);
    const std::string key = "merged." + name;
    if (!golden_.has(key)) {
      const io::TensorView& before = base.at(name);
      EXPECT_TRUE(std::equal(got.bytes.begin(), got.bytes.end(), before.bytes.begin(), before.bytes.end()))
          << name;
      continue;
    }
    const Matrix want = golden_.tensor(key);
    Matrix values(want.rows(), want.cols());
    read_floats(got, 0, {values.row<float>(0), static_cast<std::size_t>(values.size())});
    EXPECT_LE(relative_difference(values, want), 1e-6) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, Beside, ::testing::ValuesIn(beside_cases()),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace lorry::model
