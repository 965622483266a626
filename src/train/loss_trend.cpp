#include "train/loss_trend.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace lorry::train {

namespace {

constexpr Index kLeast = 3;
constexpr Index kMost = 100;
constexpr double kThrownOff = 3.0;  // the first steps' mean so many deviations above step 1: the run diverged

struct SampleMean {
  double mean = 0;
  double deviation = 0;  // of one value
  double error = 0;      // standard error of the mean

  explicit SampleMean(const std::vector<double>& values) {
    const auto count = static_cast<double>(values.size());
    for (const double value : values) mean += value / count;
    double squares = 0;
    for (const double value : values) squares += (value - mean) * (value - mean);
    deviation = std::sqrt(squares / (count - 1));
    error = deviation / std::sqrt(count);
  }
};

}  // namespace

LossTrend::LossTrend(std::vector<double> first, std::vector<double> last)
    : first_(std::move(first)), last_(std::move(last)) {}

void LossTrend::add(double loss, Index total_steps) {
  const Index most = std::clamp(total_steps / 10, kLeast, kMost);
  if (std::ssize(first_) < most) {
    first_.push_back(loss);
    return;
  }
  if (std::ssize(last_) == most) last_.erase(last_.begin());
  last_.push_back(loss);
}

std::optional<LossChange> LossTrend::change() const {
  if (std::ssize(first_) < kLeast || std::ssize(last_) < kLeast) return std::nullopt;
  SampleMean first(first_);
  const SampleMean last(last_);
  // A rate far too high doubles the loss at the second step; to come back from there is no progress.
  if (first.mean - first_.front() > kThrownOff * last.deviation) {
    first.mean = first_.front();
    first.error = last.deviation;
  }
  return LossChange{.first = first.mean, .last = last.mean, .noise = std::hypot(first.error, last.error)};
}

}  // namespace lorry::train
