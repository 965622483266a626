#include "report/polyline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "core/check.hpp"
#include "report/svg.hpp"

namespace lorry::report {

namespace {

// Series beyond the colours repeat them dashed.
constexpr std::array<std::string_view, 4> kDashes = {
    "", R"( stroke-dasharray="6 3")", R"( stroke-dasharray="2 3")", R"( stroke-dasharray="8 3 2 3")"};

std::vector<Point> thinned(const std::vector<Point>& points) {
  std::vector<Point> out;
  for (std::size_t i = 0; i < points.size();) {
    std::size_t end = i + 1;
    std::size_t low = i;
    std::size_t high = i;
    const auto column = [](const Point& p) { return std::floor(2.0 * p.x); };
    while (points[i].shown && end < points.size() && points[end].shown &&
           column(points[end]) == column(points[i])) {
      if (points[end].y < points[low].y) low = end;
      if (points[end].y > points[high].y) high = end;
      ++end;
    }
    std::array<std::size_t, 4> kept = {i, low, high, end - 1};
    std::sort(kept.begin(), kept.end());
    const auto last = std::unique(kept.begin(), kept.end());
    for (auto at = kept.begin(); at != last; ++at) out.push_back(points[*at]);
    i = end;
  }
  return out;
}

// Corners of the stretch [begin, end), one per half pixel of width, and the last.
std::vector<std::size_t> corners_of(const std::vector<Point>& points, std::size_t begin, std::size_t end) {
  std::vector<std::size_t> corners;
  for (std::size_t i = begin; i < end; ++i) {
    if (corners.empty() || std::abs(points[i].x - points[corners.back()].x) >= 0.5 || i + 1 == end)
      corners.push_back(i);
  }
  return corners;
}

}  // namespace

std::string line_through(const std::vector<Point>& points, Index dash) {
  std::string d;
  bool down = false;
  for (const Point& p : thinned(points)) {
    if (p.shown) d += fmt::format("{}{} {}", down ? 'L' : 'M', px(p.x), px(p.y));
    down = p.shown;
  }
  if (d.empty()) return {};
  return fmt::format(R"(<path fill="none" stroke-width="1.6" stroke-linejoin="round"{} d="{}"/>)",
                     kDashes[static_cast<std::size_t>(dash % std::ssize(kDashes))], d);
}

std::string band_between(const std::vector<Point>& upper, const std::vector<Point>& lower) {
  LORRY_CHECK_EQ(upper.size(), lower.size());
  std::string d;
  for (std::size_t begin = 0; begin < upper.size();) {
    std::size_t end = begin;
    while (end < upper.size() && upper[end].shown) ++end;
    const std::vector<std::size_t> corners = corners_of(upper, begin, end);
    // Out along the upper curve, back along the lower.
    for (const std::size_t i : corners) {
      d += fmt::format("{}{} {}", i == begin ? 'M' : 'L', px(upper[i].x), px(upper[i].y));
    }
    for (auto i = corners.rbegin(); i != corners.rend(); ++i) {
      d += fmt::format("L{} {}", px(lower[*i].x), px(lower[*i].y));
    }
    if (!corners.empty()) d += 'z';
    begin = std::max(end, begin + 1);
  }
  return d.empty() ? d : fmt::format(R"(<path stroke="none" fill-opacity=".18" d="{}"/>)", d);
}

}  // namespace lorry::report
