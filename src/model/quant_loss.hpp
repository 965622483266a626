// model/quant_loss.hpp: what rounding a matrix to its stored type lost, beside the update that was merged
// into it.
#pragma once
#include <cmath>
#include <limits>

namespace lorry::model {

/// Sums over the elements of W, which is to be stored, and of E, what the file says minus W; in a merge W is
/// the sum that has the update ΔW in it. They add up over matrices.
struct QuantLoss {
  double error_squares = 0.0;    // ‖E‖^2
  double squares = 0.0;          // ‖W‖^2
  double update_squares = 0.0;   // ‖ΔW‖^2
  double error_on_update = 0.0;  // ⟨E, ΔW⟩

  /// ‖E‖ / ‖W‖; 0 for a W of zeros.
  [[nodiscard]] double relative() const { return squares > 0.0 ? std::sqrt(error_squares / squares) : 0.0; }
  /// ‖E‖ / ‖ΔW‖; not a number where there is no update.
  [[nodiscard]] double to_update() const {
    return update_squares > 0.0 ? std::sqrt(error_squares / update_squares)
                                : std::numeric_limits<double>::quiet_NaN();
  }
  /// How much of the update the file has: ⟨ΔW + E, ΔW⟩ / ‖ΔW‖^2, 1 where rounding takes nothing away along
  /// it; not a number where there is no update.
  [[nodiscard]] double kept() const {
    return update_squares > 0.0 ? 1.0 + error_on_update / update_squares
                                : std::numeric_limits<double>::quiet_NaN();
  }
  void add(const QuantLoss& other) {
    error_squares += other.error_squares;
    squares += other.squares;
    update_squares += other.update_squares;
    error_on_update += other.error_on_update;
  }
};

}  // namespace lorry::model
