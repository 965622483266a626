// cli/analyze/report_page.hpp: parts that the HTML reports of all analyses share.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "cli/analyze/figure_tables.hpp"
#include "cli/analyze/outputs.hpp"
#include "cli/analyze/subjects.hpp"
#include "report/page.hpp"

namespace lorry::cli {

using Facts = std::vector<std::pair<std::string, std::string>>;

/// What the titles mean, a line each.
void add_terms(report::Content& content, const Measurements& measurements);

/// The measures whose keys are in `charted` over the layers: of one subject a line per module type, of
/// several a line per subject and, folded, a chart per module type.
void add_profiles(report::Content& content, const std::vector<Measurements>& all,
                  const std::vector<std::string_view>& charted);
/// The same as files, "profile-effective_rank.svg" and so on, behind `prefix`.
void write_profile_charts(Outputs& outputs, const std::vector<Measurements>& all,
                          const std::string& prefix = {});

/// How to make the page again: command, version, each subject, and what else decides its numbers.
void add_making(report::Page& page, const std::string& command, const std::vector<Subject>& subjects,
                const Facts& more);

}  // namespace lorry::cli
