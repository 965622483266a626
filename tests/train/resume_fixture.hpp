// tests/train/resume_fixture.hpp: short runs that are stopped at any step and go on.
#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include "train/checkpoints.hpp"
#include "train/run_fixture.hpp"
#include "train/xray.hpp"

namespace lorry::train {

class Resume : public Run {
 protected:
  /// Trains, with an X-ray where the options say so, and stops before step `stop` + 1 (-1: never).
  RunResult train(Index stop = -1) const {
    Index done = -1;
    std::optional<Xray> xray;
    RunObserver observer = {.on_start = [&](const RunPlan& plan) { done = plan.first_step; },
                            .on_step = [&](const StepReport& report) { done = report.step; },
                            .stop_requested = [&] { return stop >= 0 && done >= stop; }};
    if (options_.xray_steps > 0) {
      xray.emplace(options_.xray_steps, nullptr);
      observer.monitor = [&](const LiveRun& live) { xray->look(live); };
      observer.save_state = [&](const std::filesystem::path& folder) { xray->save(folder); };
      observer.load_state = [&](const std::filesystem::path& folder) { xray->load(folder); };
    }
    return run_training(options_, observer);
  }

  /// What a run left behind that must not depend on its stops: weights, config, log without its clocks.
  struct Left {
    std::string weights;
    std::string config;
    std::vector<std::string> log;
    bool operator==(const Left&) const = default;
  };
  [[nodiscard]] Left left() const {
    const bool full = options_.method == Method::kFull;
    return {.weights = get(options_.out / (full ? "model.safetensors" : "adapter_model.safetensors")),
            .config = get(options_.out / (full ? "config.json" : "adapter_config.json")),
            .log = log_without_clocks()};
  }
  [[nodiscard]] std::vector<std::string> log_without_clocks() const {
    std::vector<std::string> lines;
    for (io::Json line : log()) {
      line.erase("seconds");
      line.erase("tokens_per_second");
      lines.push_back(line.dump());
    }
    return lines;
  }
  /// Trains without a stop, then with a stop after every single step; both must leave the same.
  void expect_same_wherever_it_stops() {
    options_.resume = false;
    options_.out = folder_ / "whole";
    const Index steps = train().steps;
    const Left whole = left();
    ASSERT_FALSE(whole.weights.empty());
    options_.resume = true;
    options_.out = folder_ / "parts";
    for (Index step = 0; step < steps; ++step) {
      const RunResult result = train(step);
      ASSERT_EQ(result.end, RunEnd::kInterrupted);
      ASSERT_EQ(result.steps, step);
      ASSERT_EQ(result.checkpoint.empty(), step == 0);
    }
    const RunResult result = train();
    EXPECT_NE(result.end, RunEnd::kInterrupted);
    EXPECT_EQ(result.steps, steps);
    EXPECT_TRUE(left().weights == whole.weights);  // not EXPECT_EQ: it would print them
    EXPECT_EQ(left().config, whole.config);
    EXPECT_EQ(left().log, whole.log);
  }
  [[nodiscard]] std::vector<Index> checkpoints() const { return find_checkpoints(options_.out); }
};

}  // namespace lorry::train
