// Updates that begin as a part of W (PiSSA, OLoRA): the start, the training and the saved adapter are PEFT's
// (scripts/golden/variants.py).
#include "analysis/weight_start.hpp"

#include <gtest/gtest.h>

#include "io/io_support.hpp"
#include "io/json_file.hpp"
#include "model/variant_case.hpp"
#include "support/random_matrix.hpp"

namespace lorry::train {
namespace {

using io::error_of;
using io::ScratchFolder;
using model::Adapter;
using model::PeftConfig;
using model::relative_difference;

/// The settings of scripts/golden/variants.py; an adapter's own file has those that it was converted to.
PeftConfig settings_of_case(const std::string& name) {
  PeftConfig config;
  config.r = 3;
  config.lora_alpha = 6;
  config.target_modules = model::parse_target_modules("q_proj,down_proj");
  if (name == "llama.pissa_patterns") {
    config.rank_pattern = {{"down_proj", 2}};
    config.alpha_pattern = {{"down_proj", 3}};
  }
  if (name == "llama.pissa_rslora") {
    config.r = 4;
    config.lora_alpha = 3;
    config.use_rslora = true;
    config.target_modules = model::parse_target_modules("q_proj,v_proj");
  }
  if (name == "gpt2.pissa") {
    config.lora_alpha = 3;
    config.target_modules = model::parse_target_modules("c_attn");
  }
  std::string init = name.substr(name.find('.') + 1);
  if (init == "pissa_niter") init = "pissa_niter_400";
  if (init == "pissa_patterns" || init == "pissa_rslora") init = "pissa";
  EXPECT_TRUE(model::parse_lora_init(init, config)) << init;
  return config;
}

/// scale * B A [O,I]
Matrix product_of(const nn::LowRankUpdate& update) {
  Matrix product(update.b_transposed.cols(), update.a.cols());
  for (Index o = 0; o < product.rows(); ++o) {
    for (Index i = 0; i < product.cols(); ++i) {
      double sum = 0;
      for (Index r = 0; r < update.rank; ++r) {
        sum += static_cast<double>(update.b_transposed.row<float>(r)[o]) * update.a.row<float>(r)[i];
      }
      product.row<float>(o)[i] = static_cast<float>(update.scale * sum);
    }
  }
  return product;
}

class Starts : public ::testing::TestWithParam<const char*> {
 protected:
  Adapter start() {
    Adapter adapter = Adapter::create(settings_of_case(GetParam()), golden_.decoder(), 5);
    analysis::start_from_weights(adapter, golden_.decoder(), 5, 1);
    return adapter;
  }
  model::VariantCase golden_{GetParam()};
};

TEST_P(Starts, BeginAsPeftsAndChangeNothingYet) {
  const Matrix base = golden_.logits();
  Adapter adapter = start();
  Index compared = 0;
  for (const auto& entry : adapter.entries()) {
    const std::string name = std::string(GetParam()) + ".start." + entry->module;
    if (!golden_.has(name)) continue;
    ++compared;
    // After 400 iterations it no longer matters which random numbers a projection began with.
    EXPECT_LE(relative_difference(product_of(entry->update), golden_.tensor(name)), 1e-4) << name;
  }
  EXPECT_EQ(compared, 2);
  adapter.attach(golden_.decoder());
  EXPECT_LE(relative_difference(golden_.logits(), base), 1e-5);
}

TEST_P(Starts, TrainAsPeftsAndAreSavedForThePlainBase) {
  Adapter adapter = start();
  adapter.attach(golden_.decoder());
  golden_.expect_losses(adapter);
  const Matrix trained = golden_.logits();
  EXPECT_LE(relative_difference(trained, golden_.of_case("logits")), 1e-3);

  const ScratchFolder folder;
  save_adapter(folder.path(), adapter);
  Adapter read = load_adapter(folder.path(), golden_.decoder());
  read.attach(golden_.decoder());
  EXPECT_TRUE(testing::same_bits(golden_.logits(), trained)) << "the same sums in the same order";
  const io::Json got = io::read_json_file(folder / model::kAdapterConfigFile);
  const io::Json want = io::read_json_file(golden_.adapter_folder() / model::kAdapterConfigFile);
  EXPECT_EQ(got.at("init_lora_weights"), true);
  EXPECT_EQ(got.value("use_rslora", false), want.at("use_rslora"));
  EXPECT_EQ(got.at("r"), want.at("r"));
  EXPECT_EQ(got.at("lora_alpha"), want.at("lora_alpha"));  // with rsLoRA 3 sqrt(2)
  EXPECT_EQ(got.value("rank_pattern", io::Json::object()), want.at("rank_pattern"));
  EXPECT_EQ(got.value("alpha_pattern", io::Json::object()), want.at("alpha_pattern"));
}

TEST_P(Starts, AdaptersThatPeftConvertedComputeWhatPeftComputes) {
  golden_.expect_peft();
}

INSTANTIATE_TEST_SUITE_P(Golden, Starts,
                         ::testing::Values("llama.pissa", "llama.pissa_niter", "llama.pissa_patterns",
                                           "llama.pissa_rslora", "llama.olora", "gpt2.pissa"),
                         model::variant_name);

TEST(Start, WorksOnPartsOfFusedMaps) {
  model::GoldenCase golden("gpt2");
  PeftConfig config;
  config.r = 3;
  config.target_modules = model::parse_target_modules("q_proj,v_proj");
  ASSERT_TRUE(model::parse_lora_init("pissa", config));
  Adapter adapter = Adapter::create(config, golden.decoder(), 5);
  analysis::start_from_weights(adapter, golden.decoder(), 5, 2);
  for (auto& entry : adapter.entries())
    entry->update.a.row<float>(1)[2] += 0.5F;  // as if it had been trained
  const ScratchFolder folder;
  save_adapter(folder.path(), adapter);
  const Adapter read = load_adapter(folder.path(), golden.decoder());
  ASSERT_EQ(read.entries().size(), 4U);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(read.entries()[i]->module, adapter.entries()[i]->module);
    const nn::LowRankUpdate whole = adapter.entries()[i]->whole();
    EXPECT_EQ(whole.rank, 6);
    EXPECT_TRUE(testing::same_bits(read.entries()[i]->update.a, whole.a));
    EXPECT_TRUE(testing::same_bits(read.entries()[i]->update.b_transposed, whole.b_transposed));
  }
}

TEST(Start, MistakesAreNamed) {
  model::GoldenCase golden("llama_linear");  // k_proj makes 8 outputs
  PeftConfig config;
  config.r = 12;
  config.target_modules = model::parse_target_modules("k_proj");
  for (const char* wrong : {"pissa_niter_", "pissa_niter_-1", "pissa_niter_4x", "PISSA", "eva", ""}) {
    EXPECT_FALSE(model::parse_lora_init(wrong, config)) << wrong;
  }
  ASSERT_TRUE(model::parse_lora_init("olora", config));
  EXPECT_EQ(model::format_lora_init(config), "olora");
  const auto start = [&] {
    Adapter adapter = Adapter::create(config, golden.decoder(), 5);
    analysis::start_from_weights(adapter, golden.decoder(), 5, 1);
  };
  EXPECT_EQ(
      error_of(start),
      "[lora] model.layers.0.self_attn.k_proj: rank 12 is above the smaller side, 8; expected at most that "
      "many directions of W");
  config.r = 2;
  config.lora_alpha = -4;
  EXPECT_EQ(
      error_of(start),
      "[lora] model.layers.0.self_attn.k_proj: found a scale of -2; expected one above 0, which the start "
      "is divided by");
}

TEST(Start, FalseDrawsBToo) {
  model::GoldenCase golden("llama");
  PeftConfig config;
  config.r = 4;
  config.target_modules = model::parse_target_modules("down_proj");
  ASSERT_TRUE(model::parse_lora_init("false", config));
  const Adapter adapter = Adapter::create(config, golden.decoder(), 5);
  const Matrix& b = adapter.entries()[0]->update.b_transposed;
  float largest = 0;
  double square = 0;
  for (Index i = 0; i < b.size(); ++i) {
    largest = std::max(largest, std::abs(b.row<float>(0)[i]));
    square += static_cast<double>(b.row<float>(0)[i]) * b.row<float>(0)[i];
  }
  EXPECT_LE(largest, 0.5F);  // 1 / sqrt(rank)
  EXPECT_NEAR(square / static_cast<double>(b.size()), 0.25 / 3, 0.02);
}

}  // namespace
}  // namespace lorry::train
