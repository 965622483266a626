#include "report/svg_file.hpp"

namespace lorry::report {

std::string svg_file(std::string_view svg) {
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + std::string(svg) + "\n";
}

}  // namespace lorry::report
