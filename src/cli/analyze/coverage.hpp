// cli/analyze/coverage.hpp: words for a ΔW of which only the top directions were computed.
#pragma once
#include <string>
#include <vector>

#include "analysis/update.hpp"

namespace lorry::cli {

/// "top 128 directions only, 41.2 % of ‖ΔW‖²"; empty where all were computed.
std::string coverage_note(const analysis::Coverage& coverage);

/// A line to standard error where some modules of `name` were cut.
void warn_of_cuts(const std::string& name, const std::vector<analysis::Coverage>& modules);

template <class Module, class Get>
void warn_of_cuts(const std::string& name, const std::vector<Module>& modules, const Get& coverage_of) {
  std::vector<analysis::Coverage> all;
  all.reserve(modules.size());
  for (const Module& module : modules) all.push_back(coverage_of(module));
  warn_of_cuts(name, all);
}

}  // namespace lorry::cli
