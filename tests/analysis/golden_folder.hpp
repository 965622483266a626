// tests/golden.
#pragma once
#include <filesystem>

namespace lorry::analysis {

inline std::filesystem::path golden_folder() {
  return std::filesystem::path(LORRY_SOURCE_DIR) / "tests" / "golden";
}

}  // namespace lorry::analysis
