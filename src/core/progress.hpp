// core/progress.hpp: one progress line for long work: redrawn on a terminal, plain lines now and then
// elsewhere.
#pragma once
#include <string>
#include <string_view>

#include "core/clock.hpp"
#include "core/index.hpp"

namespace lorry {

/// Reports to standard error. Not for several threads at once.
class Progress {
 public:
  /// `what`: a short verb phrase ("merging"); `total`: units of work, 0 when unknown; `first`: of these, done
  /// before.
  Progress(std::string what, Index total, Index first = 0);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Shows `done` of `total` with the rate and time left, and `detail` behind them ("loss 1.234").
  void update(Index done, std::string_view detail = {});
  /// Prints `line` above the progress line.
  void print(std::string_view line);
  /// Ends the line; called by the destructor too.
  void finish();

 private:
  std::string what_;
  Index total_;
  Index first_;
  bool terminal_;
  bool drawn_ = false;
  double last_shown_ = -1e9;
  Stopwatch watch_;
};

}  // namespace lorry
