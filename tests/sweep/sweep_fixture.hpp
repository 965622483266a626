// A tiny model with random weights (Llama, 2 layers of width 32; k and v half as wide as q), a few records,
// and requests on them.
#pragma once
#include <gtest/gtest.h>

#include <string>

#include "io/io_support.hpp"
#include "sweep/plan.hpp"
#include "sweep/run.hpp"

namespace lorry::sweep {

class Sweep : public ::testing::Test {
 protected:
  void SetUp() override;

  /// A LoRA row on `targets` with the options of the fixture.
  [[nodiscard]] RowRequest lora(const std::string& targets, std::optional<Index> rank = std::nullopt) const;
  [[nodiscard]] RowRequest full() const;
  /// Rows with one seed, or more.
  [[nodiscard]] static Request request(std::vector<RowRequest> rows, std::vector<std::uint64_t> seeds = {1});

  [[nodiscard]] train::RunInputs open() const { return train::open_inputs(options_); }
  /// All of a request's cells under OUT, going on with what is there.
  Results sweep(const Request& request, const SweepObserver& observer = {}) const;

  io::ScratchFolder folder_;
  train::TrainOptions options_;  // 3 steps of 2 sequences, evaluated at 0, 2 and 3
};

/// Parameters of one rank on both layers of the model.
inline constexpr Index kPerRankQ = 2 * (32 + 32);  // and o
inline constexpr Index kPerRankK = 2 * (32 + 16);  // and v

}  // namespace lorry::sweep
