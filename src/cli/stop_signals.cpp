#include "cli/stop_signals.hpp"

#include <unistd.h>

#include <cstring>
#include <initializer_list>

namespace lorry::cli {

namespace {

// A handler gets no argument but the number: these are the variables that it can reach.
// NOLINTBEGIN(cppcoreguidelines-avoid-non-const-global-variables)
volatile std::sig_atomic_t first_signal = 0;
const char* stopping_how = "";  // set before the handler is
// NOLINTEND(cppcoreguidelines-avoid-non-const-global-variables)

extern "C" void on_stop_signal(int number) {
  if (first_signal != 0) ::_exit(128 + number);
  first_signal = number;
  for (const char* part : {"\nstopping ", stopping_how, "; once more: at once\n"}) {
    // Nothing depends on it, and a handler can do no more than try.
    [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, part, std::strlen(part));
  }
}

void install(int number, struct sigaction& before) {
  struct sigaction action = {};
  action.sa_handler = on_stop_signal;
  action.sa_flags = SA_RESTART;
  ::sigaction(number, nullptr, &before);
  if (before.sa_handler != SIG_IGN) ::sigaction(number, &action, nullptr);
}

}  // namespace

StopSignals::StopSignals(const char* how) {
  first_signal = 0;
  stopping_how = how;
  install(SIGINT, interrupt_before_);
  install(SIGTERM, terminate_before_);
  install(SIGHUP, hang_up_before_);
}

StopSignals::~StopSignals() {
  ::sigaction(SIGINT, &interrupt_before_, nullptr);
  ::sigaction(SIGTERM, &terminate_before_, nullptr);
  ::sigaction(SIGHUP, &hang_up_before_, nullptr);
}

int StopSignals::received() {
  return first_signal;
}

}  // namespace lorry::cli
