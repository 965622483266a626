// report/svg_file.hpp: a chart as a file of its own, for papers.
#pragma once
#include <string>
#include <string_view>

namespace lorry::report {

/// The content of an .svg file that shows `svg`, from this folder's to_svg: no script, no style sheet, dark
/// on nothing.
std::string svg_file(std::string_view svg);

}  // namespace lorry::report
