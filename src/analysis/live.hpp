// analysis/live.hpp: the subspace measures of an adapter in training, cheap enough to be taken every few
// dozen steps.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "analysis/grid.hpp"
#include "tensor/weight_view.hpp"

namespace lorry::analysis {

/// One adapted map as the trainer holds it; all borrowed.
struct LiveModule {
  std::string name;
  ConstMatrixView a;             // [R,I] F32
  ConstMatrixView b_transposed;  // [R,O] F32
  double scale = 1.0;
  WeightView weight;                   // W [O,I], or [I,O] for Conv1D; empty: amplification is not measured
  bool inputs_by_outputs = false;      // Conv1D
  std::function<void()> on_read = {};  // W will not be read again this time; may be empty
};

/// Figures of one module at one moment.
struct LiveFigures {
  std::string module;
  double delta_norm = 0.0;      // ‖ΔW‖_F
  double weight_norm = 0.0;     // ‖W‖_F; 0: not measured
  double effective_rank = 0.0;  // Roy & Vetterli 2007
  double top_share = 0.0;       // σ_1^2 / ‖ΔW‖_F^2
  Index sufficient_rank = 0;    // the fewest directions that hold 90 % of ‖ΔW‖_F^2
  double amplification =
      0.0;  // ‖ΔW‖_F / ‖U^T W V‖_F over all of ΔW's directions; 0: not measured or undefined
  bool compared = false;       // whether the next four are set
  Index compared_at = 0;       // k = sufficient_rank now, within both ranks: noise directions never settle
  double settled_left = 0.0;   // φ(k, k) between the left directions now and at the previous measurement
  double settled_right = 0.0;  // the same of the right directions
  double settled_top = 0.0;    // φ(1, 1): the smaller one of left and right
  bool zero = false;           // ΔW = 0 (B = 0): the figures are 0
  bool finite = true;          // false: A or B holds NaN or infinity; the figures are 0
};

/// Where the update of one module pointed at a measurement: orthonormal columns.
struct LiveDirections {
  std::string module;
  Grid left;   // [O,p]
  Grid right;  // [I,p]
};

/// Measures all modules in parallel, and remembers their directions for the next call. Not for several
/// threads at once.
class LiveMonitor {
 public:
  /// `threads` measure modules side by side; 0: one per processor.
  explicit LiveMonitor(Index threads = 0);
  ~LiveMonitor();
  LiveMonitor(LiveMonitor&&) noexcept;
  LiveMonitor& operator=(LiveMonitor&&) noexcept;

  /// In the order of `modules`. Directions are matched to the previous call's by module name.
  std::vector<LiveFigures> measure(std::span<const LiveModule> modules);

  /// What the next call compares with, sorted by module; set_directions makes a monitor go on where another
  /// one was, to the bit.
  [[nodiscard]] std::vector<LiveDirections> directions() const;
  void set_directions(const std::vector<LiveDirections>& directions);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lorry::analysis
