// report/svg.hpp: the pieces every chart is written with. Sizes are in CSS pixels. Elements carry their
// colour as an attribute, for files, and a class, by which a page's style sheet overrides it.
#pragma once
#include <string>
#include <string_view>

#include "core/index.hpp"

namespace lorry::report {

inline constexpr double kFontSize = 12.0;
inline constexpr double kTitleSize = 13.0;

/// Text ready to be drawn, and how wide it will be about. Fonts differ, so the width is that of a wide one.
struct Label {
  std::string markup;
  double width = 0.0;  // at kFontSize
};

/// `text` printable, escaped, and elided to `most` pixels at `size`; the whole of it then shows on hovering.
Label label_of(std::string_view text, double most, double size = kFontSize);
/// A number that is short already: only its minus sign is set properly.
Label number_label(std::string_view number);
/// "10" to the power of `exponent`, behind `factor` and a multiplication sign where that is not empty.
Label power_label(std::string_view factor, Index exponent);

/// About how wide printable `text` is in a wide sans-serif font of `size`.
double text_width(std::string_view text, double size = kFontSize);

/// A coordinate to a tenth of a pixel, as short as it goes.
std::string px(double value);

enum class Anchor { kStart, kMiddle, kEnd };

/// A <text> element whose baseline starts, is centred or ends at x. `attributes` begin with a space.
std::string text_at(double x, double y, Anchor anchor, const Label& label, std::string_view attributes = {});
/// The same reading upward: its baseline lies along x and starts, is centred or ends at y.
std::string upward_text_at(double x, double y, Anchor anchor, const Label& label);
/// A chart's title.
std::string title_at(double x, double y, std::string_view title, double most);

/// A horizontal or vertical line of class "axis" or "grid".
std::string axis_line(double x1, double y1, double x2, double y2);
std::string grid_line(double x1, double y1, double x2, double y2);

/// The opening tag of a chart, read out as `description`.
std::string open_svg(double width, double height, std::string_view description);

}  // namespace lorry::report
