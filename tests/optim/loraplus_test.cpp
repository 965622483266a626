#include "optim/loraplus.hpp"

#include <gtest/gtest.h>

#include <string>

#include "core/error.hpp"
#include "tensor/matrix.hpp"

namespace lorry::optim {
namespace {

constexpr double kRate = 2e-4;

/// What becomes of one parameter of that name and shape.
Parameter grouped(const std::string& name, Index rows) {
  Matrix matrix(rows, 8);
  std::vector<Parameter> parameters = {{name, matrix, matrix}};
  apply_loraplus({.lr_ratio = 16.0}, kRate, parameters);
  return parameters.front();
}

void expect(const std::string& name, Index rows, double factor, bool decay) {
  const Parameter got = grouped("base_model.model.model.layers.0." + name, rows);
  EXPECT_DOUBLE_EQ(got.lr_factor, factor) << name;
  EXPECT_EQ(got.decay, decay) << name;
}

// peft 0.21.2, create_loraplus_optimizer: groupA, groupB, groupB_no_decay and embedding.
TEST(LoraPlus, GroupsAsPeftDoes) {
  expect("self_attn.q_proj.lora_A.weight", 4, 1.0, true);
  expect("self_attn.q_proj.lora_A.weight", 1, 1.0, true);
  expect("self_attn.q_proj.lora_B.weight", 4, 16.0, true);
  expect("self_attn.q_proj.lora_B.weight", 1, 16.0, true);
  expect("self_attn.q_proj.lora_B.bias", 1, 16.0, false);
  expect("self_attn.q_proj.base_layer.bias", 1, 16.0, false);
  expect("self_attn.q_proj.lora_magnitude_vector", 1, 16.0, true);
  expect("input_layernorm.weight", 1, 16.0, false);
  expect("embed_tokens.lora_embedding_A", 4, 1e-6 / kRate, true);
  expect("embed_tokens.lora_embedding_B", 4, 1e-6 / kRate, true);
  expect("embed_tokens.token_adapter.trainable_tokens_delta", 1, 1.0, true);
  expect("lm_head.weight", 32, 1.0, true);
}

TEST(LoraPlus, WithoutARatioNothingChanges) {
  Matrix matrix(4, 8);
  std::vector<Parameter> parameters = {{"lora_B.weight", matrix, matrix}};
  apply_loraplus({}, kRate, parameters);
  EXPECT_EQ(parameters.front().lr_factor, 1.0);
  EXPECT_TRUE(parameters.front().decay);
}

TEST(LoraPlus, RefusesNumbersOutOfRange) {
  EXPECT_NO_THROW(check_loraplus({}));
  EXPECT_NO_THROW(check_loraplus({.lr_ratio = 1.0}));
  EXPECT_THROW(check_loraplus({.lr_ratio = 0.5}), Error);
  EXPECT_THROW(check_loraplus({.lr_ratio = 16.0, .lr_embedding = 0.0}), Error);
}

}  // namespace
}  // namespace lorry::optim
