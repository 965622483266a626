#include "core/progress.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace lorry {

namespace {
constexpr double kTerminalInterval = 0.1;  // seconds between redraws
constexpr double kPlainInterval = 10.0;    // seconds between plain lines
constexpr std::size_t kUsualColumns = 80;  // where a terminal does not say
constexpr std::size_t kLeastColumns = 10;

/// Failures are ignored: a reader of standard error that left must not end the work.
void show(const std::string& text) {
  std::fputs(text.c_str(), stderr);
  std::fflush(stderr);
}

/// Columns: a line that is longer would wrap, and its first part could not be drawn again.
std::size_t terminal_width() {
  winsize size = {};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < kLeastColumns) return kUsualColumns;
  return size.ws_col;
}

}  // namespace

Progress::Progress(std::string what, Index total, Index first)
    : what_(std::move(what)), total_(total), first_(first), terminal_(isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  finish();
}

void Progress::update(Index done, std::string_view detail) {
  const double now = watch_.seconds();
  const bool last = total_ > 0 && done >= total_;
  if (!last && now - last_shown_ < (terminal_ ? kTerminalInterval : kPlainInterval)) return;
  last_shown_ = now;
  const double rate = now > 0 ? static_cast<double>(done - first_) / now : 0;
  std::string line = fmt::format("{} {}", what_, done);
  if (total_ > 0) line += fmt::format("/{}", total_);
  line += fmt::format("  {:.3g}/s", rate);
  if (total_ > 0 && rate > 0) line += "  left " + format_duration(static_cast<double>(total_ - done) / rate);
  if (!detail.empty()) line += fmt::format("  {}", detail);
  if (terminal_) {
    line.resize(std::min(line.size(), terminal_width() - 1));
    show("\r\033[K" + line);
    drawn_ = true;
  } else {
    show(line + "\n");
  }
}

void Progress::print(std::string_view line) {
  show(fmt::format("{}{}\n", terminal_ && drawn_ ? "\r\033[K" : "", line));
}

void Progress::finish() {
  if (terminal_ && drawn_) show("\n");
  drawn_ = false;
}

}  // namespace lorry
