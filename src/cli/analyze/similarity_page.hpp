// cli/analyze/similarity_page.hpp: what `lorry analyze similarity` found, as a page to look at and as charts.
#pragma once
#include "cli/analyze/report_page.hpp"
#include "cli/analyze/similarity_results.hpp"

namespace lorry::cli {

report::Page similarity_page(const std::vector<ComparedPair>& pairs, const std::vector<Subject>& subjects,
                             const std::string& command, const Facts& more);

/// One chart per module and space: the whole grid, and the lower-left triangle of Figure 3; one profile per
/// figure.
void write_similarity_charts(Outputs& outputs, const std::vector<ComparedPair>& pairs);

}  // namespace lorry::cli
