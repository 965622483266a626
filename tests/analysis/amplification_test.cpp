// Table 7 where the answer is known, and what is refused.
#include "analysis/amplification.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "analysis/memory_updates.hpp"
#include "io/io_support.hpp"
#include "support/golden_folder.hpp"

namespace lorry::analysis {
namespace {

std::filesystem::path model(const char* name) {
  return golden_folder() / "families" / name / "model";
}

constexpr const char* kModule = "model.layers.0.mlp.up_proj";  // [56,32] in llama

TEST(Amplification, ZeroUpdateStillTellsOfWAndHasNoFactor) {
  MemoryUpdates updates;
  updates.add(kModule, random_grid(2, 32, 1), Grid(56, 2));
  const ModuleAmplification module = measure_amplification(updates, model("llama")).modules.at(0);
  EXPECT_EQ(module.note, "ΔW is zero (B = 0)");
  EXPECT_GT(module.weight_norm, 0.0);
  EXPECT_EQ(module.amplification, 0.0);
  EXPECT_EQ(module.projected_delta, 0.0);
  EXPECT_EQ(module.directions, 0);
  EXPECT_TRUE(module.phi_left.empty());
}

TEST(Amplification, RandomFramesOfFullWidthHoldAllOfW) {
  MemoryUpdates updates;
  updates.add(kModule, random_grid(32, 32, 1), random_grid(56, 32, 2));
  const ModuleAmplification module = measure_amplification(updates, model("llama")).modules.at(0);
  EXPECT_EQ(module.directions, 32);
  // V spans all inputs, and W's own top 32 are all it has; U is a random half of the outputs.
  EXPECT_NEAR(module.projected_weight, module.weight_norm, 1e-5 * module.weight_norm);
  EXPECT_NEAR(module.projected_random, module.weight_norm * std::sqrt(32.0 / 56), 0.1 * module.weight_norm);
  EXPECT_GT(module.projected_random_spread, 0.0);
  EXPECT_LT(module.projected_random_spread, 0.1 * module.weight_norm);
}

TEST(Amplification, AskedNumberOfDirectionsIsUsed) {
  MemoryUpdates updates;
  updates.add(kModule, random_grid(6, 32, 1), random_grid(56, 6, 2));
  const auto measure = [&](Index directions) {
    return measure_amplification(updates, model("llama"), {.directions = directions, .weight_directions = 5})
        .modules.at(0);
  };
  const ModuleAmplification all = measure(0);
  const ModuleAmplification two = measure(2);
  EXPECT_EQ(all.directions, 6);
  EXPECT_EQ(measure(99).directions, 6);
  EXPECT_EQ(two.directions, 2);
  EXPECT_EQ(two.phi_left.rows, 5);
  EXPECT_EQ(two.phi_left.cols, 2);
  EXPECT_LT(two.projected_weight, all.projected_weight);
  EXPECT_LT(two.projected_delta, all.projected_delta);
  EXPECT_EQ(two.delta_norm, all.delta_norm);
  EXPECT_GT(two.products.passes, 0);
}

TEST(Amplification, DirectionsThatEqualSingularValuesLeaveOpenAreToldOf) {
  MemoryUpdates updates;
  updates.add(kModule, axes(4, 32, 0, {4, 2, 2, 1}), turned(axes(4, 56, 0, {1, 1, 1, 1})));
  const auto note = [&](Index directions) {
    return measure_amplification(updates, model("llama"), {.directions = directions}).modules.at(0).note;
  };
  EXPECT_EQ(note(1), "");
  EXPECT_EQ(note(2), "singular values 2 and 3 of ΔW are the same: its top 2 are a matter of rounding");
  EXPECT_EQ(note(3), "");
}

TEST(Amplification, RandomProjectionKnowsNothingOfTheUpdate) {
  const auto measure = [](std::uint64_t seed) {
    MemoryUpdates updates;
    updates.add(kModule, random_grid(2, 32, seed), random_grid(56, 2, seed + 1));
    return measure_amplification(updates, model("llama")).modules.at(0);
  };
  const ModuleAmplification x = measure(1);
  const ModuleAmplification y = measure(3);
  EXPECT_NE(x.projected_delta, y.projected_delta);
  // Products of several vectors at once may be summed in another order.
  EXPECT_NEAR(x.projected_random, y.projected_random, 1e-5 * x.projected_random);
  EXPECT_NEAR(x.projected_random_spread, y.projected_random_spread, 1e-5 * x.projected_random);
}

TEST(Amplification, ResultsDoNotDependOnThreads) {
  MemoryUpdates updates;
  for (const char* layer : {"0", "1"}) {
    for (const char* name : {"up_proj", "gate_proj"}) {
      updates.add(std::string("model.layers.") + layer + ".mlp." + name, random_grid(6, 32, 1),
                  random_grid(56, 6, 2));
    }
  }
  const AmplificationReport one = measure_amplification(updates, model("llama"), {.threads = 1});
  const AmplificationReport three = measure_amplification(updates, model("llama"), {.threads = 3});
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(one.modules[i].info.module, three.modules[i].info.module);
    EXPECT_EQ(one.modules[i].projected_delta, three.modules[i].projected_delta);
    EXPECT_EQ(one.modules[i].projected_random, three.modules[i].projected_random);
    EXPECT_EQ(one.modules[i].phi_left.values, three.modules[i].phi_left.values);
  }
}

TEST(Amplification, ControlsHaveTheShapesOfFigure8) {
  MemoryUpdates updates;
  updates.add(kModule, random_grid(3, 32, 1), random_grid(56, 3, 2));
  const AmplificationReport report = measure_amplification(updates, model("llama"), {.weight_directions = 4});
  const GaussianControl* left = report.controls.find(56, 4, 3);
  const GaussianControl* right = report.controls.find(32, 4, 3);
  ASSERT_NE(left, nullptr);
  ASSERT_NE(right, nullptr);
  EXPECT_DOUBLE_EQ(left->expectation.at(3, 0), 4.0 / 56);
  EXPECT_EQ(report.weight_bytes, 56 * 32 * 4);
}

TEST(Amplification, UpdateOfAnotherModelIsRefused) {
  const auto text = [](const char* module, Index outputs) {
    MemoryUpdates updates;
    updates.add(module, random_grid(2, 32, 1), random_grid(outputs, 2, 2));
    return io::error_of([&] { measure_amplification(updates, model("llama")); });
  };
  const std::string path = model("llama").string();
  EXPECT_EQ(text("model.layers.9.mlp.up_proj", 56),
            "[amplification] memory: module \"model.layers.9.mlp.up_proj\" is not in " + path +
                "; expected the model that the update belongs to");
  EXPECT_EQ(text(kModule, 55), "[amplification] memory: module \"model.layers.0.mlp.up_proj\" is [55,32]; " +
                                   path + " has [56,32]; expected the model that it belongs to");
}

}  // namespace
}  // namespace lorry::analysis
