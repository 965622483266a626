#include "generate/stop_strings.hpp"

#include <algorithm>
#include <utility>

#include "core/option_error.hpp"

namespace lorry::generate {

StopStrings::StopStrings(std::vector<std::string> stops) : stops_(std::move(stops)) {
  for (const std::string& stop : stops_) {
    if (stop.empty())
      throw OptionError("[generate] --stop: found an empty text; expected at least one character");
  }
}

std::string StopStrings::push(std::string_view piece) {
  if (found_) return {};
  held_ += piece;
  std::size_t begin = std::string::npos;
  for (const std::string& stop : stops_) begin = std::min(begin, held_.find(stop));
  if (begin != std::string::npos) {
    found_ = true;
    held_.resize(begin);
    return std::exchange(held_, {});
  }
  // The longest end of held_ that begins a stop string.
  std::size_t kept = 0;
  for (const std::string& stop : stops_) {
    for (std::size_t n = std::min(stop.size() - 1, held_.size()); n > kept; --n) {
      if (std::string_view(stop).substr(0, n) == std::string_view(held_).substr(held_.size() - n)) kept = n;
    }
  }
  std::string certain = held_.substr(0, held_.size() - kept);
  held_.erase(0, held_.size() - kept);
  return certain;
}

std::string StopStrings::finish() {
  return std::exchange(held_, {});
}

}  // namespace lorry::generate
