#include "core/clock.hpp"

#include <fmt/format.h>

#include <cmath>
#include <fstream>

namespace lorry {

Index peak_rss_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string key; status >> key;) {
    if (key == "VmHWM:") {
      Index kib = 0;
      status >> kib;
      return kib * 1024;
    }
    status.ignore(1 << 16, '\n');
  }
  return 0;
}

std::string format_duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "?";
  const auto total = std::llround(seconds);
  if (total >= 3600) return fmt::format("{}h {:02}m", total / 3600, total % 3600 / 60);
  if (total >= 60) return fmt::format("{}m {:02}s", total / 60, total % 60);
  return fmt::format("{}s", total);
}

std::string format_bytes(Index bytes) {
  const auto value = static_cast<double>(bytes);
  if (value >= 0x1p30) return fmt::format("{:.2f} GiB", value * 0x1p-30);
  if (value >= 0x1p20) return fmt::format("{:.1f} MiB", value * 0x1p-20);
  if (value >= 0x1p10) return fmt::format("{:.1f} KiB", value * 0x1p-10);
  return fmt::format("{} B", bytes);
}

std::string format_bytes_up(Index bytes) {
  const auto value = static_cast<double>(bytes);
  if (value >= 0x1p30) return fmt::format("{:.2f} GiB", std::ceil(value * 0x1p-30 * 100) / 100);
  if (value >= 0x1p20) return fmt::format("{:.1f} MiB", std::ceil(value * 0x1p-20 * 10) / 10);
  return fmt::format("{:.1f} KiB", std::ceil(value * 0x1p-10 * 10) / 10);
}

}  // namespace lorry
