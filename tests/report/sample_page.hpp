// A page with every kind of content, on made-up numbers that look like those of an analysis: for the tests in
// a browser.
#pragma once
#include <string>
#include <vector>

#include "report/bar_chart.hpp"
#include "report/heat_map.hpp"
#include "report/line_chart.hpp"

namespace lorry::report {

/// A name that would run a script, fetch an image and close every element if anything took it for markup.
inline constexpr const char* kHostileName =
    "layers.0.\"><script>document.title='broken'</script><img src=http://127.0.0.1:9/x "
    "onerror=alert(1)>'&amp;</svg>";

/// 8 x 64 as between ranks 8 and 64: cell (i, j) is 1 / (1 + |i - j| / 4), and (2, 5) has no value.
HeatMap similarity_map();

/// Charts of every kind with what is hard about them: many points, breaks, missing values, wide numbers, long
/// names.
std::vector<std::string> sample_charts();

/// The whole page, as Page::to_html gives it.
std::string sample_page();

}  // namespace lorry::report
