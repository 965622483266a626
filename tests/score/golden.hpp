// tests/golden/score/scores.json.
#pragma once
#include "io/json_file.hpp"

namespace lorry::score {

inline io::Json read_golden() {
  return io::read_json_file(LORRY_SOURCE_DIR "/tests/golden/score/scores.json");
}

}  // namespace lorry::score
