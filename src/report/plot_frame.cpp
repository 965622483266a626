#include "report/plot_frame.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "report/color.hpp"
#include "report/escape.hpp"

namespace lorry::report {

namespace {

constexpr double kWidth = 520.0;       // of the whole chart
constexpr double kAreaHeight = 230.0;  // of the data
constexpr double kMargin = 12.0;       // right of the area, so that a last tick's label fits
constexpr double kLegendLine = 18.0;   // height of a line of the legend
constexpr double kEntryGap = 16.0;
constexpr double kLongestEntry = 320.0;

}  // namespace

std::string open_series(Index index) {
  const Index color = index % kSeriesColors;
  return fmt::format(R"(<g class="s{0}" fill="{1}" stroke="{1}">)", color,
                     kSeriesOnLight[static_cast<std::size_t>(color)]);
}

std::string marker_at(double x, double y, double r, Index index) {
  const auto path = [](const std::string& d) { return fmt::format(R"(<path d="{}"/>)", d); };
  const auto strokes = [](const std::string& d) {
    return fmt::format(R"(<path fill="none" stroke-width="2" d="{}"/>)", d);
  };
  switch (index % kSeriesColors) {
    case 0:
      return fmt::format(R"(<circle cx="{}" cy="{}" r="{}"/>)", px(x), px(y), px(r));
    case 1:
      return path(fmt::format("M{} {}h{}v{}h-{}z", px(x - r), px(y - r), px(2 * r), px(2 * r), px(2 * r)));
    case 2:
      return path(
          fmt::format("M{} {}l{} {}h-{}z", px(x), px(y - 1.2 * r), px(1.2 * r), px(2.1 * r), px(2.4 * r)));
    case 3: {
      const std::string d = px(1.35 * r);
      return path(fmt::format("M{} {}l{} {}l-{} {}l-{} -{}z", px(x), px(y - 1.35 * r), d, d, d, d, d, d));
    }
    case 4:
      return path(
          fmt::format("M{} {}l{} -{}h-{}z", px(x), px(y + 1.2 * r), px(1.2 * r), px(2.1 * r), px(2.4 * r)));
    case 5: {
      const std::string d = px(1.3 * r), whole = px(2.6 * r);
      return strokes(fmt::format("M{} {}h{}m-{} -{}v{}", px(x - 1.3 * r), px(y), whole, d, d, whole));
    }
    case 6: {
      const std::string whole = px(2.2 * r);
      return strokes(fmt::format("M{} {}l{} {}m0 -{}l-{} {}", px(x - 1.1 * r), px(y - 1.1 * r), whole, whole,
                                 whole, whole, whole));
    }
    default: {  // an hourglass
      const std::string whole = px(2.4 * r);
      return path(
          fmt::format("M{} {}h{}l-{} {}h{}z", px(x - 1.2 * r), px(y - 1.2 * r), whole, whole, whole, whole));
    }
  }
}

std::string error_bar(double x, double y1, double y2) {
  return fmt::format(R"(<path fill="none" d="M{0} {1}h6m-3 0V{2}m-3 0h6"/>)", px(x - 3), px(y1), px(y2));
}

PlotFrame::PlotFrame(std::string_view title, const AxisScale& y, const std::vector<LegendEntry>& legend)
    : title_(title), y_(y) {
  left = y.label_width() + 10.0 + 20.0;
  right = kWidth - kMargin;
  double baseline = title_.empty() ? 0.0 : kTitleSize + 3.0;
  add_legend(legend, baseline);
  top = baseline + 12.0;
  bottom = top + kAreaHeight;
}

void PlotFrame::add_legend(const std::vector<LegendEntry>& legend, double& baseline) {
  std::vector<Label> names;
  double total = -kEntryGap;
  double widest = 0.0;
  for (const LegendEntry& entry : legend) {
    names.push_back(label_of(entry.name, kLongestEntry));
    const double width = kSwatchWidth + 6.0 + names.back().width + kEntryGap;
    total += width;
    widest = std::max(widest, width);
    names_ += (names.size() == 1 ? ": " : ", ") + entry.name;
  }
  // In one row as they come, in several below each other.
  const bool one_row = total <= right - left;
  double at = right;
  for (std::size_t i = 0; i < legend.size(); ++i) {
    const double width = one_row ? kSwatchWidth + 6.0 + names[i].width + kEntryGap : widest;
    if (i == 0 || at + width - kEntryGap > right) {
      baseline += kLegendLine;
      at = left;
    }
    legend_markup_ += fmt::format(R"svg(<g transform="translate({} {})">{}</g>)svg", px(at), px(baseline - 4),
                                  legend[i].swatch);
    legend_markup_ += text_at(at + kSwatchWidth + 6.0, baseline, Anchor::kStart, names[i]);
    at += width;
  }
}

double PlotFrame::y_at(double value) const {
  return bottom - y_.at(value) * (bottom - top);
}

std::string PlotFrame::y_axis() const {
  std::string out;
  for (const Tick& tick : y_.ticks()) {
    const double y = y_at(tick.value);
    out += grid_line(left, y, right, y);
    out += text_at(left - 7, y + 4, Anchor::kEnd, tick.label);
  }
  out += upward_text_at(kFontSize, (top + bottom) / 2, Anchor::kMiddle, y_.label(bottom - top));
  return out;
}

std::string PlotFrame::render(std::string_view kind, double below, const std::string& x_axis,
                              const std::string& clipped, const std::string& data) const {
  std::string out = open_svg(kWidth, bottom + below, fmt::format("{}: {}{}", title_, kind, names_));
  if (!title_.empty()) out += title_at(left, kTitleSize, title_, right - left);
  out += legend_markup_ + y_axis() + x_axis + axis_line(left, bottom, right, bottom);
  if (!clipped.empty()) {
    // An inner <svg> clips without an identifier, of which a page could hold only one.
    const std::string x = px(left), y = px(top - 2), w = px(right - left), h = px(bottom - top + 4);
    out += fmt::format(R"(<svg x="{0}" y="{1}" width="{2}" height="{3}" viewBox="{0} {1} {2} {3}">{4}</svg>)",
                       x, y, w, h, clipped);
  }
  if (y_.without_data()) {
    out += text_at((left + right) / 2, (top + bottom) / 2 + 4, Anchor::kMiddle,
                   label_of("no values", right - left));
  }
  return out + data + "</svg>\n";
}

}  // namespace lorry::report
