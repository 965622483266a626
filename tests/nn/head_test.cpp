#include "nn/head.hpp"

#include <gtest/gtest.h>

#include "nn/module_maps.hpp"
#include "nn/reference_modules.hpp"
#include "ops/reference/cross_entropy.hpp"

namespace lorry::nn {
namespace {

using testing::near;

constexpr Index kHidden = 5;
constexpr Index kVocabulary = 11;
constexpr float kScale = 0.125F;

struct HeadCase {
  const char* name;
  Index rows;
  int masked;  // every so many rows have no target; 0: none
  Index rank;
  bool full;
  DType compute = DType::kF32;
  float dropout = 0.0F;  // only without masked rows: the mask counts the rows that have a target
  float smoothing = 0.0F;
};

// A chunk holds at most 1024 rows with a target, and 32 at least.
const HeadCase kCases[] = {
    {"OneRow", 1, 0, 0, true},
    {"OneChunk", 37, 3, 0, true},
    {"LowRank", 37, 2, 3, false},
    {"Frozen", 37, 3, 0, false},
    {"SeveralChunks", 2500, 5, 0, true},
    {"WholeChunk", 1024, 0, 2, true},
    {"Bf16", 70, 3, 2, false, DType::kBF16},
    {"Dropout", 37, 0, 3, false, DType::kF32, 0.4F},
    {"SmoothedLabels", 37, 3, 3, true, DType::kF32, 0.0F, 0.2F},
};

std::vector<std::int32_t> make_targets(const HeadCase& test) {
  std::vector<std::int32_t> targets;
  for (Index i = 0; i < test.rows; ++i) {
    const bool masked = test.masked > 0 && i % test.masked == 0 && test.rows > 1;
    targets.push_back(masked ? -1 : static_cast<std::int32_t>(i * 7 % kVocabulary));
  }
  return targets;
}

/// The head's map and how its loss is counted.
struct HeadFacts : LinearFacts {
  double smoothing = 0.0;
};

testing::Complex loss_of(const Values<testing::Complex>& v, std::span<const std::int32_t> targets,
                         const HeadFacts& facts) {
  return ops::reference::cross_entropy(linear(v, "head", v.at("x"), facts), targets, facts.smoothing);
}

/// dx row by row, which is exact since rows do not meet, and quick however many there are.
Dense<double> gradient_by_x(const Values<double>& values, std::span<const std::int32_t> targets,
                            const HeadFacts& facts) {
  const Dense<double>& x = values.at("x");
  Dense<double> gradient(x.rows, x.cols);
  for (Index i = 0; i < x.rows; ++i) {
    Values<testing::Complex> point = cast<testing::Complex>(values);
    // The rows before it are there for the mask alone, which depends on a row's place.
    const Index first = facts.dropout.rate > 0 ? 0 : i;
    point["x"] = testing::ComplexMatrix(i + 1 - first, x.cols);
    Dense<double> row(1, x.cols);
    for (Index j = 0; j < x.cols; ++j) row(0, j) = x(i, j);
    std::vector<std::int32_t> own(static_cast<std::size_t>(i - first), -1);
    own.push_back(targets[static_cast<std::size_t>(i)]);
    const Dense<double> got = testing::complex_step_gradient(
        [&](const testing::ComplexMatrix& at) {
          for (Index j = 0; j < x.cols; ++j) point["x"](i - first, j) = at(0, j);
          return loss_of(point, own, facts);
        },
        row);
    for (Index j = 0; j < x.cols; ++j) gradient(i, j) = static_cast<double>(kScale) * got(0, j);
  }
  return gradient;
}

/// The gradients of the head's own tensors.
Values<double> gradients_of_map(const Operands& operands, std::span<const std::int32_t> targets,
                                const HeadFacts& facts) {
  Values<double> own = operands.values;
  own.erase("x");
  const auto x = ops::reference::cast<testing::Complex>(operands.values.at("x"));
  Values<double> gradients = complex_gradients(
      [&](const Values<testing::Complex>& v) {
        Values<testing::Complex> all = v;
        all["x"] = x;
        return loss_of(all, targets, facts);
      },
      own);
  for (auto& [name, gradient] : gradients) {
    for (double& value : gradient.values) value *= static_cast<double>(kScale);
  }
  return gradients;
}

class HeadGradients : public ::testing::TestWithParam<HeadCase> {};

TEST_P(HeadGradients, MatchComplexSteps) {
  const HeadCase test = GetParam();
  Engine engine(test.compute);
  Operands operands;
  Maps maps(operands, test.compute);
  const Matrix& x = operands.add("x", test.rows, kHidden, test.compute);
  const MapOptions options = {.rank = test.rank, .dropout = test.dropout, .bias = false, .full = test.full};
  const LossHead head(maps.make("head", kHidden, kVocabulary, options));
  const std::vector<std::int32_t> targets = make_targets(test);
  HeadFacts facts;
  facts.scale = options.scale;
  facts.dropout = {test.dropout, engine.context.dropout_seed, engine.context.micro_step << 20 | 5};
  const testing::Tolerance tolerance = module_tolerance(test.compute);
  const double want = std::real(loss_of(cast<testing::Complex>(operands.values), targets, facts));
  const double allowed = (test.compute == DType::kF32 ? 1e-6 : 1e-2) * want;

  // Evaluation knows no smoothing.
  LossHead::Scratch scratch;
  Context evaluation = engine.context;
  evaluation.training = test.dropout == 0;
  EXPECT_EQ(std::abs(head.loss(evaluation, x, targets, scratch) - want) <= allowed, test.dropout == 0);
  facts.smoothing = static_cast<double>(test.smoothing);
  const double smoothed = std::real(loss_of(cast<testing::Complex>(operands.values), targets, facts));
  Matrix dx = testing::random_matrix(test.rows, kHidden, DType::kF32, 3);
  const LossOptions loss_options = {.gradient_scale = kScale, .label_smoothing = test.smoothing};
  EXPECT_NEAR(head.loss_and_gradient(engine.context, x, targets, loss_options, scratch, dx), smoothed,
              allowed);
  EXPECT_TRUE(near(dx, gradient_by_x(operands.values, targets, facts), tolerance));
  for (Index i = 0; i < test.rows; ++i) {
    if (targets[static_cast<std::size_t>(i)] >= 0) continue;
    for (Index j = 0; j < kHidden; ++j) ASSERT_EQ(dx.row<float>(i)[j], 0.0F) << "row " << i;
  }
  if (test.full || test.rank > 0)
    maps.expect_gradients(gradients_of_map(operands, targets, facts), tolerance);
}

INSTANTIATE_TEST_SUITE_P(Modules, HeadGradients, ::testing::ValuesIn(kCases),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(LossHead, OwnGradientsDoNotNeedDx) {
  Engine engine(DType::kF32);
  Operands operands;
  Maps maps(operands, DType::kF32);
  const Matrix& x = operands.add("x", 40, kHidden);
  const LossHead head(maps.make("head", kHidden, kVocabulary, {.rank = 2, .bias = false, .full = true}));
  const std::vector<std::int32_t> targets =
      make_targets({.name = "", .rows = 40, .masked = 3, .rank = 2, .full = true});
  LossHead::Scratch scratch;
  head.loss_and_gradient(engine.context, x, targets, {.gradient_scale = kScale}, scratch, {});
  maps.expect_gradients(gradients_of_map(operands, targets, {{.scale = MapOptions{}.scale}}),
                        module_tolerance(DType::kF32));
}

TEST(LossHead, EveryChunkDrawsItsOwnMask) {
  Engine engine(DType::kF32);
  Operands operands;
  Maps maps(operands, DType::kF32);
  Matrix& x = operands.add("x", 2048, kHidden);
  const LossHead head(maps.make("head", kHidden, kVocabulary, {.rank = 3, .dropout = 0.5F, .bias = false}));
  for (Index i = 0; i < x.rows(); ++i) std::copy_n(x.row<float>(i % 1024), kHidden, x.row<float>(i));
  const std::vector<std::int32_t> targets(2048, 4);
  LossHead::Scratch scratch;
  Matrix dx(2048, kHidden);
  head.loss_and_gradient(engine.context, x, targets, {.gradient_scale = kScale}, scratch, dx);
  EXPECT_FALSE(testing::same_bits(dx.view().row_range(0, 1024), dx.view().row_range(1024, 1024)));
  engine.context.training = false;
  head.loss_and_gradient(engine.context, x, targets, {.gradient_scale = kScale}, scratch, dx);
  EXPECT_TRUE(testing::same_bits(dx.view().row_range(0, 1024), dx.view().row_range(1024, 1024)));
}

TEST(LossHead, NoTargetsGiveNoLossAndNoGradient) {
  Engine engine(DType::kF32);
  Operands operands;
  Maps maps(operands, DType::kF32);
  const Matrix& x = operands.add("x", 3, kHidden);
  const LossHead head(maps.make("head", kHidden, kVocabulary, {.rank = 0, .bias = false}));
  const std::vector<std::int32_t> targets(3, -1);
  LossHead::Scratch scratch;
  Matrix dx = testing::random_matrix(3, kHidden, DType::kF32, 3);
  EXPECT_EQ(head.loss_and_gradient(engine.context, x, targets, {.gradient_scale = kScale}, scratch, dx), 0.0);
  for (Index i = 0; i < dx.size(); ++i) EXPECT_EQ(dx.row<float>(0)[i], 0.0F);
}

}  // namespace
}  // namespace lorry::nn
