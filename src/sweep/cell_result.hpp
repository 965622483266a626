// sweep/cell_result.hpp: what one finished cell came to, and its result.json.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "core/index.hpp"
#include "io/json_file.hpp"

namespace lorry::sweep {

inline constexpr const char* kResultFile = "result.json";

/// A loss after so many steps, in nats per token.
struct CurvePoint {
  Index step = 0;
  double loss = 0;
};

struct CellResult {
  io::OrderedJson settings;  // settings_of
  io::OrderedJson inputs;    // inputs_of
  Index trainable_parameters = 0;
  Index steps = 0;
  double loss = 0;                   // of the last step
  std::vector<CurvePoint> held_out;  // before the first step, at each evaluation, after the last step
  std::vector<CurvePoint> training;  // means over equal stretches of steps, each at its last step
  double seconds = 0;                // in steps
  double wall_seconds = 0;           // evaluations and files included
  double tokens_per_second = 0;
  Index peak_rss_bytes = 0;  // of the process so far
  std::string failure;       // why it stopped early: training diverged; empty if it did not

  /// The result that counts: held-out loss after the last step. Only where it did not fail.
  [[nodiscard]] double held_out_loss() const { return held_out.back().loss; }
};

io::OrderedJson to_json(const CellResult& result, const std::string& name);

/// Reads FOLDER/result.json. Throws Error naming file and field.
CellResult read_cell_result(const std::filesystem::path& folder);

}  // namespace lorry::sweep
