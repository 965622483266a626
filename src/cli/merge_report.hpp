// cli/merge_report.hpp: what `lorry merge` says of what rounding the merged weights lost.
#pragma once
#include <optional>
#include <string>

#include "io/json_file.hpp"
#include "model/merge.hpp"

namespace lorry::cli {

/// Fields of the JSON report: the figures over all adapted tensors, and "tensors" with those of each.
io::OrderedJson merge_losses(const model::MergeReport& report);

/// A line of the figures over all, and a table of the tensors that lost most; empty where less than a
/// thousandth of the update was lost.
std::string merge_loss_text(const model::MergeReport& report);

/// Where rounding drowns the update: of some tensor it kept less than half of it, or, unless the merge
/// `quantizes` a plain model, changed more than the update did.
std::optional<std::string> merge_warning(const model::MergeReport& report, bool quantizes);

}  // namespace lorry::cli
