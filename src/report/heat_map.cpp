#include "report/heat_map.hpp"

#include "report/escape.hpp"

namespace lorry::report {

std::string to_svg(const HeatMap& map) {
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"320\" height=\"40\"><text "
         "y=\"20\">" +
         escaped(map.title) + "</text></svg>\n";
}

}  // namespace lorry::report
