// sweep/summary.hpp: the cells of a row as one figure with its spread over seeds.
#pragma once
#include <optional>
#include <span>
#include <vector>

#include "sweep/run.hpp"

namespace lorry::sweep {

/// Of n values, n at least 1.
struct Spread {
  Index n = 0;
  double mean = 0;
  std::optional<double> deviation;  // standard deviation of the sample (divided by n - 1); nothing for n = 1

  /// For report/: NaN where there is none.
  [[nodiscard]] double deviation_or_nan() const;
};

/// Nothing for no values.
std::optional<Spread> spread_of(std::span<const double> values);

struct CurveSpread {
  Index step = 0;
  Spread loss;
};

struct RowSummary {
  Index finished = 0;                // cells, failed ones included
  Index failed = 0;                  // of these, diverged
  std::vector<double> losses;        // held-out, after the last step, of the cells that did not fail
  std::optional<Spread> loss;        // of these
  std::optional<Spread> perplexity;  // of exp(loss), seed by seed
  std::optional<Spread> seconds;     // in steps
  std::optional<Spread> tokens_per_second;
  std::vector<CurveSpread> held_out;  // over the cells that did not fail
  std::vector<CurveSpread> training;  // the same
  // Of the rows whose cells are all finished and did not fail:
  bool best = false;       // lowest mean
  bool near_best = false;  // the same, or above it by no more than the larger standard deviation of the two
};

/// One for each row of the plan.
std::vector<RowSummary> summarise(const Plan& plan, const Results& results);

}  // namespace lorry::sweep
