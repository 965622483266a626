#include "report/svg.hpp"

#include <fmt/format.h>

#include <cmath>

#include "report/color.hpp"
#include "report/escape.hpp"
#include "text/utf8.hpp"

namespace lorry::report {

namespace {

constexpr std::string_view kMinus = "−";

// Widths of characters in ems, of the wide font DejaVu Sans; a narrower font leaves some room.
double ems_of(char32_t c) {
  constexpr std::u32string_view kNarrow = U" ijl|!'.,:;()[]{}ftrI/-";
  constexpr std::u32string_view kWide = U"mwMW@%−±×…";
  if (kNarrow.find(c) != std::u32string_view::npos) return 0.42;
  if (kWide.find(c) != std::u32string_view::npos) return 0.95;
  if (c >= U'A' && c <= U'Z') return 0.74;
  if (c >= 0x1100) return 1.05;  // East Asian and what a fallback font draws
  return 0.65;
}

std::string line_at(std::string_view style, double x1, double y1, double x2, double y2) {
  return fmt::format(R"(<path {} d="M{} {}L{} {}"/>)", style, px(x1), px(y1), px(x2), px(y2));
}

std::string_view attribute_of(Anchor anchor) {
  switch (anchor) {
    case Anchor::kMiddle:
      return " text-anchor=\"middle\"";
    case Anchor::kEnd:
      return " text-anchor=\"end\"";
    default:
      return {};
  }
}

std::string with_minus(std::string_view number) {
  if (!number.starts_with('-')) return std::string(number);
  return std::string(kMinus) + std::string(number.substr(1));
}

}  // namespace

double text_width(std::string_view text, double size) {
  double ems = 0.0;
  text::for_each_code_point(text, [&](char32_t c, Index, Index) { ems += ems_of(c); });
  return ems * size;
}

Label label_of(std::string_view text, double most, double size) {
  const std::string whole = printable(text);
  double width = text_width(whole, size);
  if (width <= most) return {escaped(whole), width * kFontSize / size};
  std::string cut = whole;
  for (Index columns = display_width(whole) - 1; columns >= 3 && width > most; --columns) {
    cut = elided(whole, columns);
    width = text_width(cut, size);
  }
  return {escaped(cut) + "<title>" + escaped(whole) + "</title>", width * kFontSize / size};
}

Label number_label(std::string_view number) {
  const std::string text = with_minus(number);
  return {text, text_width(text)};
}

Label power_label(std::string_view factor, Index exponent) {
  constexpr double kRaised = 0.75;  // size of the exponent
  const std::string base = factor.empty() ? "10" : with_minus(factor) + "×10";
  const std::string raised = with_minus(std::to_string(exponent));
  return {fmt::format(R"({}<tspan dy="-4.5" font-size="75%">{}</tspan>)", base, raised),
          text_width(base) + kRaised * text_width(raised)};
}

std::string px(double value) {
  const double rounded = std::round(value * 10.0) / 10.0 + 0.0;
  return fmt::format("{:.{}f}", rounded, rounded == std::trunc(rounded) ? 0 : 1);
}

std::string text_at(double x, double y, Anchor anchor, const Label& label, std::string_view attributes) {
  return fmt::format(R"(<text x="{}" y="{}"{}{}>{}</text>)", px(x), px(y), attribute_of(anchor), attributes,
                     label.markup);
}

std::string upward_text_at(double x, double y, Anchor anchor, const Label& label) {
  return fmt::format(R"svg(<text transform="translate({} {})rotate(-90)"{}>{}</text>)svg", px(x), px(y),
                     attribute_of(anchor), label.markup);
}

std::string title_at(double x, double y, std::string_view title, double most) {
  const std::string bold = fmt::format(R"( font-size="{}" font-weight="600")", kTitleSize);
  // Bold letters are wider by about a tenth.
  return text_at(x, y, Anchor::kStart, label_of(title, most / 1.1, kTitleSize), bold);
}

std::string axis_line(double x1, double y1, double x2, double y2) {
  return line_at(fmt::format(R"(class="axis" stroke="{}")", kAxisColor), x1, y1, x2, y2);
}

std::string grid_line(double x1, double y1, double x2, double y2) {
  return line_at(fmt::format(R"(class="grid" stroke="{}")", kGridColor), x1, y1, x2, y2);
}

std::string open_svg(double width, double height, std::string_view description) {
  return fmt::format(
      R"(<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" aria-label="{}" width="{}" height="{}" )"
      R"(viewBox="0 0 {} {}" font-family="system-ui,Helvetica,Arial,sans-serif" font-size="{}" fill="{}">)",
      escaped(description), px(width), px(height), px(width), px(height), kFontSize, kInk);
}

}  // namespace lorry::report
