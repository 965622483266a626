// cli/stop_signals.hpp: Ctrl-C, SIGTERM and a closed terminal as a question that long work asks between two
// steps.
#pragma once
#include <csignal>

namespace lorry::cli {

/// While one lives, the first SIGINT, SIGTERM or SIGHUP is remembered and said on standard error as
/// "stopping", `how`, and the second ends the process at once with exit code 128 + its number. A signal that
/// was ignored from the start (nohup, a job in the background of a script) stays ignored. One at a time.
class StopSignals {
 public:
  /// how: "after this step, with a checkpoint"; outlives the object.
  explicit StopSignals(const char* how);
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  /// Puts back what was there.
  ~StopSignals();

  /// The first signal's number; 0: none so far.
  [[nodiscard]] static int received();

 private:
  struct sigaction interrupt_before_ = {};
  struct sigaction terminate_before_ = {};
  struct sigaction hang_up_before_ = {};
};

/// The work stopped because a signal asked for it, and has said so: nothing is left to do but to exit.
struct Interrupted {
  int signal;
};

}  // namespace lorry::cli
