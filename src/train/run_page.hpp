// train/run_page.hpp: a run on one self-contained HTML page: its curves and samples as log.jsonl tells them,
// its settings, and where it ran.
#pragma once
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "io/json_file.hpp"

namespace lorry::train {

inline constexpr std::string_view kRunPageFile = "report.html";

/// Names and values, for people.
using RunFacts = std::vector<std::pair<std::string, std::string>>;

/// What the log does not say.
struct RunPageText {
  std::string title;
  RunFacts result = {};                    // how the run ended, and its figures
  std::vector<std::string> warnings = {};  // and advice: sentences
  RunFacts setup = {};                     // model, data, schedule
  RunFacts chosen = {};                    // options that were given
  RunFacts defaults = {};                  // all others, as they were resolved
  RunFacts environment = {};               // program, machine, times
};

/// The lines of a log.jsonl; one that is no JSON (a process that was killed leaves at most the last) is
/// passed over. Throws Error where the file cannot be read.
std::vector<io::OrderedJson> read_log(const std::filesystem::path& path);

/// The whole document. Sections of which the log holds nothing are left out, but for the samples', which says
/// how to get some.
std::string run_page(const RunPageText& text, const std::vector<io::OrderedJson>& log);

}  // namespace lorry::train
