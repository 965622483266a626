// train/xray.hpp: the LoRA paper's subspace measures as training goes on: taken every few steps, logged, and
// kept for the advice at the end (train/advice.hpp). What each figure means: docs/xray.md.
#pragma once
#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

#include "analysis/live.hpp"
#include "io/json_file.hpp"
#include "train/loss_trend.hpp"
#include "train/run.hpp"

namespace lorry::train {

/// One adapted map at one moment.
struct XrayModule {
  analysis::LiveFigures figures;
  Index rank = 0;     // R of its A and B
  Index inputs = 0;   // I
  Index outputs = 0;  // O
};

/// All adapted maps at one moment, in model order.
struct XrayReport {
  Index step = 0;  // optimiser steps done
  std::vector<XrayModule> modules;
  double seconds = 0;                             // spent in measuring
  std::optional<LossChange> loss = std::nullopt;  // of training since the start; nothing: too few steps
};

/// Measures a LoRA run from inside; for RunObserver::monitor. Reads A, B and W and changes nothing.
class Xray {
 public:
  /// Measures after every `every` steps (at least 1) and after the last one, on `threads` threads (0: one per
  /// processor). `on_report` may be empty.
  Xray(Index every, std::function<void(const XrayReport&)> on_report, Index threads = 0);

  /// Looks at the run if it is time to, writes a line to its log and calls on_report; after the last step it
  /// logs the advice too. Throws Error where the log cannot be written. The run must have an adapter.
  void look(const LiveRun& run);

  /// What the next measurement and the advice need of those before, into a checkpoint's folder and back: for
  /// RunObserver::save_state and load_state. Both throw Error.
  void save(const std::filesystem::path& folder) const;
  void load(const std::filesystem::path& folder);

  /// Every measurement so far, oldest first; since load, the last one before it and those that followed.
  [[nodiscard]] const std::vector<XrayReport>& history() const noexcept { return history_; }

 private:
  void measure(const LiveRun& run);

  Index every_;
  std::function<void(const XrayReport&)> on_report_;
  analysis::LiveMonitor monitor_;
  LossTrend losses_;
  Index losses_step_ = 0;  // the last step whose loss is in it
  std::vector<XrayReport> history_;
};

/// How much of the update stayed where it was since the last measurement: φ(k, k) at k = the directions that
/// hold 90 % of it, the smaller one of left and right; 1 when all did. Meaningless unless figures.compared.
double settled(const analysis::LiveFigures& figures);

/// The line of log.jsonl: {"step", "seconds", "xray": [{"module", "delta_norm", ...}]}. What was not measured
/// is null; a module whose A or B is not finite has "finite": false.
io::OrderedJson to_json(const XrayReport& report);

}  // namespace lorry::train
