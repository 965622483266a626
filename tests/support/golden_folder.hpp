// tests/support/golden_folder.hpp: where the golden files lie.
#pragma once
#include <filesystem>

namespace lorry {

/// tests/golden
inline std::filesystem::path golden_folder() {
  return std::filesystem::path(LORRY_SOURCE_DIR) / "tests/golden";
}

}  // namespace lorry
