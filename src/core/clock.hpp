// core/clock.hpp: elapsed time, and memory of this process as the operating system counts it.
#pragma once
#include <chrono>
#include <string>

#include "core/index.hpp"

namespace lorry {

/// Seconds since construction, from a monotonic clock.
class Stopwatch {
 public:
  [[nodiscard]] double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Largest resident set of this process so far, in bytes, mapped pages included (VmHWM); 0 where unknown.
Index peak_rss_bytes();

/// "1h 02m", "3m 05s" or "7s".
std::string format_duration(double seconds);

/// "1.50 GiB", "12.0 MiB", "640 B".
std::string format_bytes(Index bytes);
/// The same, never less than there are: for the least that will do.
std::string format_bytes_up(Index bytes);

}  // namespace lorry
