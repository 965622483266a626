#include "cli/version.hpp"

namespace lorry::cli {

std::string_view version() {
  return LORRY_VERSION;  // of the project, from CMake
}

}  // namespace lorry::cli
