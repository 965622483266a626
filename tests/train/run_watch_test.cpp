// What a run that ended with finite numbers is warned of.
#include "train/run_watch.hpp"

#include "train/run_fixture.hpp"

namespace lorry::train {
namespace {

using Warnings = std::vector<std::string>;

RunWatch watch(const std::vector<std::pair<double, double>>& losses_and_norms) {
  RunWatch made;
  Index step = 0;
  for (const auto& [loss, norm] : losses_and_norms) {
    made.add({.step = ++step, .loss = loss, .grad_norm = norm});
  }
  return made;
}

TEST(RunWatch, SaysNothingOfARunThatLearnt) {
  EXPECT_EQ(watch({{3, 1}, {4, 0}, {2, 1}}).warnings({}, {}), Warnings{});
  EXPECT_EQ(watch({{3, 1}}).warnings(Evaluation{.loss = 3}, Evaluation{.loss = 2.5}), Warnings{});
  EXPECT_EQ(RunWatch().warnings({}, {}), Warnings{});
}

TEST(RunWatch, TellsOfGradientsThatAreZero) {
  EXPECT_EQ(watch({{3, 0}, {3, 0}}).warnings({}, {}),
            Warnings{"the gradient was exactly zero in each of 2 steps: nothing was learnt"});
  EXPECT_EQ(watch({{3, 1}, {3, 0}, {3, 1}, {3, 0}, {3, 0}}).warnings({}, {}),
            Warnings{"the gradient has been exactly zero since step 4 of 5: nothing was learnt any more; did "
                     "training diverge? try a lower --lr"});
}

TEST(RunWatch, TellsOfLossesThatRose) {
  const RunWatch up = watch({{3, 1}, {6.1, 1}});
  EXPECT_EQ(up.warnings({}, {}), Warnings{"loss rose from 3.0000 at step 1 to 6.1000 at step 2: did training "
                                          "diverge? try a lower --lr"});
  EXPECT_EQ(
      up.warnings(Evaluation{.loss = 2}, Evaluation{.loss = 2.5}),
      Warnings{"held-out loss rose from 2.0000 to 2.5000: the model got worse; try a lower --lr, or fewer "
               "steps"});
}

TEST_F(Run, ARateFarTooHighIsAnErrorOrAWarning) {
  options_.lr = 1e9;
  RunResult result;
  const std::string error = io::error_of([&] { result = run_training(options_, {}); });
  if (error != "no error") {
    EXPECT_NE(error.find("expected finite numbers; try a lower --lr"), std::string::npos) << error;
  } else {
    EXPECT_FALSE(result.warnings.empty());
  }
}

}  // namespace
}  // namespace lorry::train
