#include "core/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

namespace lorry {

namespace {
constexpr double kTerminalInterval = 0.1;  // seconds between redraws
constexpr double kPlainInterval = 10.0;    // seconds between plain lines
}  // namespace

Progress::Progress(std::string what, Index total)
    : what_(std::move(what)), total_(total), terminal_(isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  finish();
}

void Progress::update(Index done, std::string_view detail) {
  const double now = watch_.seconds();
  const bool last = total_ > 0 && done >= total_;
  if (!last && now - last_shown_ < (terminal_ ? kTerminalInterval : kPlainInterval)) return;
  last_shown_ = now;
  const double rate = now > 0 ? static_cast<double>(done) / now : 0;
  std::string line = fmt::format("{} {}", what_, done);
  if (total_ > 0) line += fmt::format("/{}", total_);
  line += fmt::format("  {:.3g}/s", rate);
  if (total_ > 0 && rate > 0) line += "  left " + format_duration(static_cast<double>(total_ - done) / rate);
  if (!detail.empty()) line += fmt::format("  {}", detail);
  if (terminal_) {
    fmt::print(stderr, "\r\033[K{}", line);
    drawn_ = true;
  } else {
    fmt::print(stderr, "{}\n", line);
  }
  std::fflush(stderr);
}

void Progress::print(std::string_view line) {
  if (terminal_ && drawn_) fmt::print(stderr, "\r\033[K");
  fmt::print(stderr, "{}\n", line);
  std::fflush(stderr);
}

void Progress::finish() {
  if (terminal_ && drawn_) fmt::print(stderr, "\n");
  drawn_ = false;
}

}  // namespace lorry
