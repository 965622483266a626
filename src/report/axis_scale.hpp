// report/axis_scale.hpp: where values lie along an axis, and the round numbers written beside it.
#pragma once
#include <optional>
#include <vector>

#include "core/index.hpp"
#include "report/line_chart.hpp"  // Axis
#include "report/svg.hpp"

namespace lorry::report {

/// Collects the smallest and largest of the values that an axis can show.
class DataRange {
 public:
  explicit DataRange(Scale scale) : scale_(scale) {}
  void add(double value);
  /// Finite, and above 0 on a logarithmic axis.
  [[nodiscard]] bool can_show(double value) const;
  [[nodiscard]] bool empty() const noexcept { return empty_; }
  [[nodiscard]] double low() const noexcept { return low_; }
  [[nodiscard]] double high() const noexcept { return high_; }

 private:
  Scale scale_;
  bool empty_ = true;
  double low_ = 0.0, high_ = 0.0;
};

struct Tick {
  double value;
  Label label;
};

class AxisScale {
 public:
  struct Fit {
    Index most_ticks = 6;
    bool whole = false;  // ticks at integers only
    bool to_ticks =
        false;  // the ends move outward to ticks (of a logarithmic axis, the low one), or by a little
    bool from_zero = false;  // a linear axis begins at 0 if the data do not cross it
  };

  /// `axis.low` below `axis.high` where both are given (LORRY_CHECK). Without data, and where all values are
  /// one, the range is made up around it.
  AxisScale(const Axis& axis, const DataRange& data, Fit fit);

  [[nodiscard]] double low() const noexcept { return low_; }
  [[nodiscard]] double high() const noexcept { return high_; }
  [[nodiscard]] bool without_data() const noexcept { return without_data_; }
  /// 0 at the low end, 1 at the high end, beyond them outside; clamped to [-1, 2]. Only for what can be
  /// shown.
  [[nodiscard]] double at(double value) const;
  /// Whether `value` can be shown within the ends.
  [[nodiscard]] bool holds(double value) const;
  [[nodiscard]] const std::vector<Tick>& ticks() const noexcept { return ticks_; }
  /// The widest tick label.
  [[nodiscard]] double label_width() const;
  /// The axis's label in at most `most` pixels, with the power of ten that all ticks share, and whether it is
  /// logarithmic.
  [[nodiscard]] Label label(double most) const;

 private:
  void set_ends(const Axis& axis, const DataRange& data, Fit fit);
  void add_linear_ticks(double step);
  // The ticks reach from the low end or below it; with `to_ticks` it moves there.
  void add_log_ticks(Index most, bool to_ticks);

  std::string text_;
  Scale scale_;
  double low_ = 0.0, high_ = 1.0;
  bool without_data_;
  std::optional<Index> shared_exponent_;
  std::vector<Tick> ticks_;
};

}  // namespace lorry::report
