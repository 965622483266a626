// cli/xray_report.hpp: what `lorry train --xray-steps` shows: a row per kind of layer while it runs, a row
// per layer and advice at the end.
#pragma once
#include <string>
#include <vector>

#include "report/table.hpp"
#include "train/advice.hpp"

namespace lorry::cli {

/// Medians over the layers of each kind ("self_attn.q_proj").
report::Table xray_kinds(const train::XrayReport& report);
/// Every adapted map.
report::Table xray_modules(const train::XrayReport& report);
/// A line each; one that says so where there is none.
std::string advice_text(const std::vector<train::Advice>& advice);

}  // namespace lorry::cli
