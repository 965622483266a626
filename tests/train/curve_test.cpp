// A real run beside PEFT's: the same model, text, initial adapter and batches (tests/golden/training).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "train/evaluate.hpp"
#include "train/stories.hpp"

namespace lorry::train {
namespace {

#ifdef LORRY_SANITIZED
constexpr Index kSteps = 5;
#else
constexpr Index kSteps = 100;
#endif

class Curve : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(shared_data() / "stories260k")) GTEST_SKIP() << "no " << shared_data();
  }
};

double held_out_loss(Stories& stories) {
  model::Decoder::Workspace workspace;
  return evaluate(*stories.model().decoder, stories.held_out(), Stories::kWindow, workspace).loss;
}

TEST_F(Curve, TokensAreThoseOfTheReference) {
  const Stories stories(DType::kF32);
  const std::vector<double> first = stories.numbers("first_window");
  const std::vector<double> last = stories.numbers("last_window");
  EXPECT_EQ(static_cast<double>(stories.windows().size()), stories.numbers("window_count")[0]);
  const auto as_numbers = [](const data::Document& window) {
    return std::vector<double>(window.ids.begin(), window.ids.end());
  };
  EXPECT_EQ(as_numbers(stories.windows().front()), first);
  EXPECT_EQ(as_numbers(stories.windows().back()), last);
}

TEST_F(Curve, HundredStepsAreThoseOfPeft) {
  Stories stories(DType::kF32);
  const std::vector<double> want = stories.numbers("losses");
  const std::vector<double> held_out = stories.numbers("held_out_losses");
  EXPECT_NEAR(held_out_loss(stories), held_out[0], 1e-4);
  Trainer trainer = stories.make_trainer(kSteps);
  double worst = 0;
  for (Index step = 0; step < kSteps; ++step) {
    const double loss = trainer.step({stories.batch(step)}).loss;
    EXPECT_NEAR(loss, want[static_cast<std::size_t>(step)], 1e-3) << "step " << step;
    worst = std::max(worst, std::abs(loss - want[static_cast<std::size_t>(step)]));
  }
  RecordProperty("worst_loss_difference", fmt::format("{:.2e}", worst));
  if (kSteps < 100) return;
  EXPECT_LT(want.back(), want.front() - 1);  // it did learn something
  const double last = held_out_loss(stories);
  RecordProperty("held_out", fmt::format("{:.5f} (PEFT {:.5f})", last, held_out[1]));
  EXPECT_NEAR(last, held_out[1], 0.01 * held_out[1]);
}

TEST_F(Curve, Bf16StaysWithinOnePercentOfFloat32) {
  Stories exact(DType::kF32);
  Stories rounded(DType::kBF16);
  Trainer exact_trainer = exact.make_trainer(2 * kSteps);
  Trainer rounded_trainer = rounded.make_trainer(2 * kSteps);
  double worst = 0;
  for (Index step = 0; step < 2 * kSteps; ++step) {
    const double want = exact_trainer.step({exact.batch(step)}).loss;
    const double loss = rounded_trainer.step({rounded.batch(step)}).loss;
    EXPECT_NEAR(loss, want, 0.01 * want) << "step " << step;
    EXPECT_NE(loss, want) << "step " << step;  // BF16 was in use
    worst = std::max(worst, std::abs(loss / want - 1));
  }
  RecordProperty("worst_relative_difference", fmt::format("{:.2e}", worst));
  const double want = held_out_loss(exact);
  EXPECT_NEAR(held_out_loss(rounded), want, 0.01 * want);
}

}  // namespace
}  // namespace lorry::train
