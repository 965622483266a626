#include "report/axis_scale.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "core/check.hpp"

namespace lorry::report {

namespace {

// Beyond this, differences could overflow.
constexpr double kHuge = 1e300;
// Ranges narrower than this part of their values are widened: a double would show its own rounding.
constexpr double kFlat = 1e-9;
constexpr double kNothing = 1e-12;  // shown as 0 where it is the only value
constexpr double kPadding = 0.03;   // of the range, at each end that is not at a tick
constexpr double kSlack = 1e-9;     // of a step: rounding in k * step

double round_step(double raw) {
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= raw * (1.0 - kSlack)) return factor * power;
  }
  return 10.0 * power;
}

Index exponent_of(double value) {
  return static_cast<Index>(std::floor(std::log10(value) + kSlack));
}

}  // namespace

bool DataRange::can_show(double value) const {
  return std::isfinite(value) && (scale_ == Scale::kLinear || value > 0.0);
}

void DataRange::add(double value) {
  if (!can_show(value)) return;
  value = std::clamp(value, scale_ == Scale::kLog ? 1.0 / kHuge : -kHuge, kHuge);
  low_ = empty_ ? value : std::min(low_, value);
  high_ = empty_ ? value : std::max(high_, value);
  empty_ = false;
}

AxisScale::AxisScale(const Axis& axis, const DataRange& data, Fit fit)
    : text_(axis.label), scale_(axis.scale), without_data_(data.empty()) {
  if (scale_ == Scale::kLog) text_ += text_.empty() ? "log scale" : " (log)";
  set_ends(axis, data, fit);
  if (!axis.ticks.empty()) {
    for (const double value : axis.ticks) {
      if (holds(value)) ticks_.push_back({value, number_label(fmt::format("{:.6g}", value))});
    }
    return;
  }
  if (scale_ == Scale::kLog) {
    add_log_ticks(fit.most_ticks, fit.to_ticks && std::isnan(axis.low));
    return;
  }
  double step = round_step((high_ - low_) / static_cast<double>(std::max<Index>(fit.most_ticks, 1)));
  if (fit.whole) step = std::max(step, 1.0);
  if (fit.to_ticks && std::isnan(axis.low)) low_ = std::floor(low_ / step + kSlack) * step;
  if (fit.to_ticks && std::isnan(axis.high)) high_ = std::ceil(high_ / step - kSlack) * step;
  add_linear_ticks(step);
}

void AxisScale::set_ends(const Axis& axis, const DataRange& data, Fit fit) {
  LORRY_CHECK(!(axis.low >= axis.high));
  const bool log = scale_ == Scale::kLog;
  LORRY_CHECK(!log || !(axis.low <= 0.0));
  low_ = data.empty() ? (log ? 1.0 : 0.0) : data.low();
  high_ = data.empty() ? (log ? 10.0 : 1.0) : data.high();
  if (!log && fit.from_zero) {
    low_ = std::min(low_, 0.0);
    high_ = std::max(high_, 0.0);
  }
  const bool flat = !(high_ - low_ > kFlat * std::max(std::abs(low_), std::abs(high_)));
  if (log) {
    const double factor = flat ? 2.0 : std::exp(kPadding * (std::log(high_) - std::log(low_)));
    low_ = std::max(low_ / factor, 1.0 / kHuge);
    high_ = std::min(high_ * factor, 2.0 * kHuge);
  } else if (flat) {
    const double around = std::abs(low_) < kNothing ? 1.0 : 0.1 * std::abs(low_);
    low_ -= around;
    high_ += around;
  } else if (!fit.to_ticks) {
    const double padding = kPadding * (high_ - low_);
    low_ -= padding;
    high_ += padding;
  }
  if (!std::isnan(axis.low)) low_ = axis.low;
  if (!std::isnan(axis.high)) high_ = axis.high;
  if (high_ > low_) return;
  // All data lie beyond the one end that was asked for.
  if (std::isnan(axis.low)) {
    low_ = log ? high_ / 10.0 : high_ - 1.0;
  } else {
    high_ = log ? low_ * 10.0 : low_ + 1.0;
  }
}

double AxisScale::at(double value) const {
  const double part = scale_ == Scale::kLog
                          ? (std::log(value) - std::log(low_)) / (std::log(high_) - std::log(low_))
                          : (value - low_) / (high_ - low_);
  return std::clamp(part, -1.0, 2.0);
}

bool AxisScale::holds(double value) const {
  if (!std::isfinite(value) || (scale_ == Scale::kLog && !(value > 0.0))) return false;
  const double part = at(value);
  return part >= -kSlack && part <= 1.0 + kSlack;
}

double AxisScale::label_width() const {
  double widest = 0.0;
  for (const Tick& tick : ticks_) widest = std::max(widest, tick.label.width);
  return widest;
}

Label AxisScale::label(double most) const {
  if (!shared_exponent_) return label_of(text_, most);
  const Label power = power_label("", *shared_exponent_);
  const Label text = label_of(text_, most - power.width - text_width(" (× )"));
  return {text.markup + (text_.empty() ? "" : " ") + "(×" + power.markup + R"(<tspan dy="4.5">)</tspan>)",
          text.width + power.width + text_width(" (×)")};
}

void AxisScale::add_linear_ticks(double step) {
  const double largest = std::max(std::abs(low_), std::abs(high_));
  Index exponent = exponent_of(largest);
  if (exponent >= 5 || exponent <= -4) {
    shared_exponent_ = exponent;
  } else {
    exponent = 0;
  }
  const double unit = std::pow(10.0, static_cast<double>(exponent));
  const int decimals = static_cast<int>(std::clamp<Index>(exponent - exponent_of(step), 0, 17));
  const double first = std::ceil(low_ / step - kSlack);
  const double last = std::floor(high_ / step + kSlack);
  for (double k = first; k <= last; k += 1.0) {
    const double value = k * step;
    ticks_.push_back({value, number_label(fmt::format("{:.{}f}", value / unit + 0.0, decimals))});
  }
}

void AxisScale::add_log_ticks(Index most, bool to_ticks) {
  const double decades = std::log10(high_) - std::log10(low_);
  if (decades < 0.7) {  // mostly too short for 1, 2, 5
    const double step = round_step((high_ - low_) / static_cast<double>(most));
    const double end = std::floor(low_ / step + kSlack) * step;
    if (!to_ticks || end > 0.0) {
      if (to_ticks) low_ = end;
      add_linear_ticks(step);
      return;
    }
  }
  Index stride = 1;
  for (const Index further : {2, 3, 5, 10, 20, 50, 100, 200}) {
    if (decades / static_cast<double>(stride) > static_cast<double>(most)) stride = further;
  }
  const bool between = decades < 2.5;
  struct Place {
    int factor;
    Index exponent;
    double value;
  };
  const auto first = static_cast<Index>(std::floor(std::log10(low_) + kSlack));
  const auto last = static_cast<Index>(std::ceil(std::log10(high_)));
  std::vector<Place> places;
  for (Index e = first; e <= last; ++e) {
    for (const int factor : {1, 2, 5}) {
      const double value = factor * std::pow(10.0, static_cast<double>(e));
      // Counted from the end where that is to be a tick.
      const bool shown = (to_ticks ? e - first : e) % stride == 0 && (factor == 1 || between);
      if (shown && value <= high_ * (1.0 + kSlack)) places.push_back({factor, e, value});
    }
  }
  // Of those up to the low end only the last stays.
  const auto inside = std::find_if(places.begin(), places.end(),
                                   [&](const Place& place) { return place.value > low_ * (1.0 + kSlack); });
  const auto kept = inside == places.begin() ? inside : std::prev(inside);
  places.erase(places.begin(), kept);
  if (to_ticks && !places.empty()) low_ = std::min(low_, places.front().value);
  std::erase_if(places, [&](const Place& place) { return !holds(place.value); });
  const bool plain = places.empty() || (places.front().exponent >= -3 && places.back().exponent <= 5);
  for (const auto& [factor, e, value] : places) {
    ticks_.push_back({value, plain ? number_label(fmt::format("{:.6g}", value))
                                   : power_label(factor == 1 ? "" : std::to_string(factor), e)});
  }
}

}  // namespace lorry::report
