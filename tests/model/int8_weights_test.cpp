// Int8 copies of the blocks' linear maps: their numbers, and a model that computes with them.
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.hpp"
#include "io/io_support.hpp"
#include "model/golden_case.hpp"
#include "model/tensor_list.hpp"
#include "optim/parameter.hpp"

namespace lorry::model {
namespace {

struct Int8Case {
  explicit Int8Case(const std::string& name, nn::Int8Products products)
      : config(load_model_config(golden_folder() / "families" / name / "model")),
        weights(load_weights(golden_folder() / "families" / name / "model", config)),
        ops(ops::make_cpu_ops(1)) {
    if (products != nn::Int8Products::kNone) weights.hold_int8(config, 2);
    decoder = std::make_unique<Decoder>(*ops, config, weights, DType::kF32);
    decoder->set_int8(products);
    adapter =
        std::make_unique<Adapter>(load_adapter(golden_folder() / "families" / name / "adapter", *decoder));
    adapter->attach(*decoder);
  }

  /// Loss of the case's documents, then the gradients of the adapter.
  std::vector<double> numbers(const data::Batch& batch) {
    const std::vector<optim::Parameter> parameters = adapter->parameters();
    Decoder::Workspace workspace;
    const PassOptions options = {.gradient_scale = 0.01F, .dropout_seed = 3};
    std::vector<double> all = {decoder->loss_and_gradient(batch, options, workspace)};
    for (const optim::Parameter& parameter : parameters) {
      const float* const first = parameter.gradient.row<float>(0);
      all.insert(all.end(), first, first + parameter.gradient.size());
    }
    return all;
  }

  ModelConfig config;
  Weights weights;
  std::unique_ptr<ops::Ops> ops;
  std::unique_ptr<Decoder> decoder;
  std::unique_ptr<Adapter> adapter;
};

TEST(Int8Weights, AreTheNearestMultiplesOfTheirRows) {
  for (const char* name : {"llama", "gpt2"}) {
    const Int8Case run(name, nn::Int8Products::kForward);
    Index copies = 0;
    for (const TensorSpec& spec : list_tensors(run.config)) {
      const WeightView exact = run.weights.at(spec.name);
      const WeightView held = run.weights.for_products(spec.name);
      if (!run.weights.becomes_int8(spec)) {
        EXPECT_EQ(held.is_packed(), exact.is_packed()) << spec.name;
        continue;
      }
      ++copies;
      ASSERT_EQ(held.type_name(), "INT8") << spec.name;
      std::vector<float> want(static_cast<std::size_t>(exact.cols)), got(want.size());
      for (Index row = 0; row < exact.rows; ++row) {
        exact.read_row(row, want.data());
        held.read_row(row, got.data());
        float top = 0;
        for (const float value : want) top = std::max(top, std::abs(value));
        for (std::size_t i = 0; i < want.size(); ++i)
          ASSERT_LE(std::abs(want[i] - got[i]), top / 127 * 0.5001F) << spec.name;
      }
    }
    EXPECT_GE(copies, 4 * run.config.num_hidden_layers);
  }
}

TEST(Int8Weights, ChangeLossAndGradientsALittle) {
  for (const char* name : {"llama", "gpt2"}) {
    GoldenCase golden(name);
    const data::Batch batch = pack(golden.documents());
    const std::vector<double> exact = Int8Case(name, nn::Int8Products::kNone).numbers(batch);
    const std::vector<double> forward = Int8Case(name, nn::Int8Products::kForward).numbers(batch);
    const std::vector<double> both = Int8Case(name, nn::Int8Products::kForwardAndBackward).numbers(batch);
    EXPECT_EQ(forward[0], both[0]);  // forward is the same
    EXPECT_NE(forward, both);
    for (const std::vector<double>& rounded : {forward, both}) {
      ASSERT_EQ(rounded.size(), exact.size());
      EXPECT_NE(rounded[0], exact[0]);
      EXPECT_NEAR(rounded[0], exact[0], 0.002 * std::abs(exact[0])) << name;
      double dot = 0, squares = 0, of_exact = 0;
      for (std::size_t i = 1; i < exact.size(); ++i) {
        dot += rounded[i] * exact[i];
        squares += rounded[i] * rounded[i];
        of_exact += exact[i] * exact[i];
      }
      EXPECT_GT(dot / std::sqrt(squares * of_exact), 0.99) << name;
      EXPECT_NEAR(squares / of_exact, 1.0, 0.02) << name;
    }
  }
}

TEST(Int8Weights, RefuseWhatIsNotFinite) {
  ModelConfig config = load_model_config(golden_folder() / "families" / "llama" / "model");
  Weights weights = load_weights(golden_folder() / "families" / "llama" / "model", config);
  const std::string name = config.block_name(1) + "mlp.down_proj.weight";
  const WeightView own = weights.at(name);
  Matrix broken(own.rows, own.cols);
  for (Index row = 0; row < own.rows; ++row) own.read_row(row, broken.row<float>(row));
  broken.row<float>(own.rows - 1)[own.cols - 1] = INFINITY;
  weights.add(name, broken.view());
  const std::string error = io::error_of([&] { weights.hold_int8(config, 1); });
  EXPECT_NE(error.find(name), std::string::npos) << error;
  EXPECT_NE(error.find("not finite"), std::string::npos) << error;
}

}  // namespace
}  // namespace lorry::model
