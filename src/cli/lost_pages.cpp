// In a signal handler, memory may not be taken nor an exception thrown: it reads /proc/self/maps by system
// calls into a buffer of its own.
#include "cli/lost_pages.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <string_view>

namespace lorry::cli {

namespace {

/// Lines of /proc/self/maps, "START-END rwxp OFFSET DEVICE INODE   PATH", one after the other.
class MapLines {
 public:
  MapLines() : file_(::open("/proc/self/maps", O_RDONLY | O_CLOEXEC)) {}
  MapLines(const MapLines&) = delete;
  MapLines& operator=(const MapLines&) = delete;
  ~MapLines() { ::close(file_); }

  /// Empty at the end. Valid until the next call.
  std::string_view next() {
    for (;;) {
      const std::string_view text(buffer_.data() + begin_, end_ - begin_);
      const std::size_t line = text.find('\n');
      if (line != text.npos) {
        begin_ += line + 1;
        return text.substr(0, line);
      }
      std::copy(text.begin(), text.end(), buffer_.begin());
      begin_ = 0;
      end_ = text.size();
      const ssize_t got = ::read(file_, buffer_.data() + end_, buffer_.size() - end_);
      if (got <= 0) return {};
      end_ += static_cast<std::size_t>(got);
    }
  }

 private:
  int file_;
  std::array<char, 8192> buffer_ = {};  // more than the longest path
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

/// Takes a number in base 16 from the front of `text`, and one character more.
std::uintptr_t take_address(std::string_view& text) {
  std::uintptr_t address = 0;
  const char* const end = text.data() + text.size();
  const char* const stop = std::from_chars(text.data(), end, address, 16).ptr;
  text.remove_prefix(std::min<std::size_t>(text.size(), static_cast<std::size_t>(stop - text.data()) + 1));
  return address;
}

/// The path of the mapping that holds `address`, in `line`; empty where it is another's, or that of no file.
std::string_view path_in(std::string_view line, std::uintptr_t address) {
  const std::uintptr_t first = take_address(line);
  const std::uintptr_t last = take_address(line);
  const std::size_t path = line.find('/');
  if (address < first || address >= last || path == line.npos) return {};
  return line.substr(path);
}

void say(std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(STDERR_FILENO, text.data(), text.size());
    if (count <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

void end_with_a_word(int signal, siginfo_t* info, void* /*context*/) {
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  MapLines lines;
  for (std::string_view line = lines.next(); !line.empty(); line = lines.next()) {
    const std::string_view path = path_in(line, address);
    if (path.empty()) continue;
    static std::atomic_flag said;
    while (said.test_and_set()) ::pause();  // until the thread that was first has ended the process
    say("error: [load] ");
    say(path);
    say(": found bytes gone that were there when it was opened; expected a file that stays as it is: was it "
        "shortened, or does its disk fail?\n");
    ::_exit(1);
  }
  // None of ours: as it would have been. Returning repeats the access.
  std::signal(signal, SIG_DFL);
}

}  // namespace

void report_lost_pages() {
  struct sigaction action {};
  action.sa_sigaction = end_with_a_word;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &action, nullptr);
}

}  // namespace lorry::cli
