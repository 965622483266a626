#include "core/machine.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace lorry {

namespace {

using Path = std::filesystem::path;

constexpr Index kNoLimit = Index{1} << 60;  // version 1 says so by a number near 2^63

/// The number behind `key` in a file of lines "KEY NUMBER"; empty if there is none.
std::optional<Index> number_after(const Path& file, const std::string& key) {
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name;
    Index number = 0;
    if (words >> name && name == key && words >> number) return number;
  }
  return std::nullopt;
}

/// The number that is all of a file; empty for "max".
std::optional<Index> number_in(const Path& file) {
  std::ifstream stream(file);
  std::string word;
  stream >> word;
  Index number = 0;
  const auto [stop, failure] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (failure != std::errc{} || stop != word.data() + word.size() || number >= kNoLimit) return std::nullopt;
  return number;
}

/// What a group leaves: its files in the page cache can go.
std::optional<Index> left_in(const Path& group, const char* limit_file, const char* usage_file,
                             const char* cache_key) {
  const std::optional<Index> limit = number_in(group / limit_file);
  if (!limit) return std::nullopt;
  const Index used = number_in(group / usage_file).value_or(0);
  const Index cache = number_after(group / "memory.stat", cache_key).value_or(0);
  return std::max<Index>(0, *limit - std::max<Index>(0, used - cache));
}

void take_less(std::optional<Index>& least, const std::optional<Index>& other) {
  if (other && (!least || *other < *least)) least = other;
}

/// Of a group and those that it lies in.
void take_groups(const Path& mount, const std::string& group, bool version_2, std::optional<Index>& least) {
  for (Path inner = Path(group).relative_path();; inner = inner.parent_path()) {
    const Path folder = mount / inner;
    take_less(least, version_2 ? left_in(folder, "memory.max", "memory.current", "inactive_file")
                               : left_in(folder, "memory.limit_in_bytes", "memory.usage_in_bytes",
                                         "total_inactive_file"));
    if (inner.empty()) return;
  }
}

}  // namespace

std::optional<Index> available_memory(const Path& root) {
  constexpr Index kKib = 1024;
  std::optional<Index> least = number_after(root / "proc/meminfo", "MemAvailable:");
  if (least) *least *= kKib;
  std::ifstream lines(root / "proc/self/cgroup");
  for (std::string line; std::getline(lines, line);) {
    // "0::/user.slice", or for version 1 "9:memory:/docker/..."
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    if (controllers.empty()) take_groups(root / "sys/fs/cgroup", group, true, least);
    if (controllers == "memory") take_groups(root / "sys/fs/cgroup/memory", group, false, least);
  }
  return least;
}

Index resident_bytes() {
  constexpr Index kKib = 1024;
  return number_after("/proc/self/status", "VmRSS:").value_or(0) * kKib;
}

}  // namespace lorry
