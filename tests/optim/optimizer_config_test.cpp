#include "optim/optimizer_config.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "core/error.hpp"

namespace lorry::optim {
namespace {

std::string error_of(const OptimizerConfig& config) {
  try {
    check_config(config);
  } catch (const Error& error) {
    return error.what();
  }
  return "none";
}

TEST(OptimizerConfig, RefusesNumbersOutOfRange) {
  const auto sgd = OptimizerKind::kSgd;
  EXPECT_EQ(error_of({}), "none");
  EXPECT_EQ(error_of({.beta1 = 1.0}), "[train] --adam-beta1: found 1; expected at least 0 and below 1");
  EXPECT_EQ(error_of({.beta2 = -0.1}), "[train] --adam-beta2: found -0.1; expected at least 0 and below 1");
  EXPECT_EQ(error_of({.eps = -1.0}),
            "[train] --adam-epsilon: found -1; expected a finite number, at least 0");
  EXPECT_EQ(error_of({.eps = std::numeric_limits<double>::infinity()}),
            "[train] --adam-epsilon: found inf; expected a finite number, at least 0");
  EXPECT_EQ(error_of({.weight_decay = -1.0}),
            "[train] --weight-decay: found -1; expected a finite number, at least 0");
  EXPECT_EQ(error_of({.kind = sgd, .momentum = 1.0}),
            "[train] --momentum: found 1; expected at least 0 and below 1");
  EXPECT_EQ(error_of({.kind = sgd, .nesterov = true}),
            "[train] --nesterov: found without --momentum; expected a momentum above 0");
}

TEST(OptimizerConfig, RefusesWhatItsKindWouldIgnore) {
  const auto sgd = OptimizerKind::kSgd;
  const auto lion = OptimizerKind::kLion;
  EXPECT_EQ(error_of({.momentum = 0.9}),
            "[train] --momentum: has no effect with --optimizer adamw; expected it without");
  EXPECT_EQ(error_of({.kind = lion, .eps = 1e-8}),
            "[train] --adam-epsilon: has no effect with --optimizer lion; expected it without");
  EXPECT_NE(error_of({.kind = sgd, .beta1 = 0.9}), "none");
  EXPECT_NE(error_of({.kind = sgd, .beta2 = 0.9}), "none");
  EXPECT_NE(error_of({.kind = sgd, .eps = 0.1}), "none");
  EXPECT_NE(error_of({.kind = OptimizerKind::kAdamW8bit, .nesterov = true}), "none");
  EXPECT_EQ(error_of({.kind = lion, .beta1 = 0.95, .beta2 = 0.98}), "none");
  EXPECT_EQ(error_of({.kind = sgd, .momentum = 0.9, .nesterov = true}), "none");
}

TEST(OptimizerNames, BeginWithEachKindsOwn) {
  for (std::size_t i = 0; i < kOptimizerNames.size(); ++i) {
    const auto& [name, kind] = kOptimizerNames[i];
    EXPECT_EQ(name_of(kind) == name, i < kOptimizerKinds) << name;
  }
}

}  // namespace
}  // namespace lorry::optim
