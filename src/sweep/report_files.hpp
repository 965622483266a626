// sweep/report_files.hpp: the results of a sweep as files: report.md, .csv, .json, .html, cells.csv, charts.
#pragma once
#include <filesystem>
#include <string>

#include "io/json_file.hpp"
#include "sweep/summary.hpp"

namespace lorry::sweep {

/// The fields of report.json and of `lorry sweep --json`: "cells", "finished", "rows" with settings, figures
/// and cells' names. A figure that is not there is null.
io::OrderedJson report_json(const Plan& plan, const Results& results);

/// What people read on a terminal: the tables, and what they mean.
std::string report_text(const Plan& plan, const Results& results);

/// Writes all of them to `out`, each whole or not at all; what is there of an earlier report is replaced, and
/// removed where it is a chart that this one has not.
/// Cells need not all be finished. Throws Error.
void write_report(const std::filesystem::path& out, const Plan& plan, const Results& results);

}  // namespace lorry::sweep
