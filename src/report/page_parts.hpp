// report/page_parts.hpp: the fixed parts of a page: what it may load (nothing), how it looks and what it
// does.
#pragma once
#include <string_view>

namespace lorry::report {

/// A <meta> element that forbids every request, so that not even a hole in the escaping could make one.
extern const std::string_view kPagePolicy;
/// The style sheet: colours by variables, for light, dark and print.
extern const std::string_view kPageStyle;
/// Sorting of tables, values under the pointer, and folded parts opened for printing.
extern const std::string_view kPageScript;

}  // namespace lorry::report
