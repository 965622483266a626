// report/page_parts.hpp: the fixed parts of a page: what it may load (nothing), how it looks and what it
// does.
#pragma once
#include <string>
#include <string_view>

namespace lorry::report {

/// A <meta> element that forbids every request, so that not even a hole in the escaping could make one.
extern const std::string_view kPagePolicy;

/// The style sheet: light, dark and print, with the colours of report/color.hpp.
std::string page_style();

/// Sorting of tables, values under the pointer, and folded parts opened for printing. The page is complete
/// without.
extern const std::string_view kPageScript;

}  // namespace lorry::report
