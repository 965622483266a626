#include "cli/analyze/memory.hpp"

#include <algorithm>

#include "core/memory_room.hpp"

namespace lorry::cli {

namespace {

constexpr Index kJsonNumber = 64;         // bytes: its node, its digits, and the text as a whole
constexpr Index kPage = Index{48} << 20;  // a page with all that page_budget.hpp lets it draw, twice

}  // namespace

Index memory_for_modules(const std::optional<Index>& budget, const std::vector<analysis::MemoryNeed>& needs,
                         const OutputFlags& outputs) {
  if (!budget) return 0;
  Index results = 0;
  Index working = 0;
  for (const analysis::MemoryNeed& need : needs) {
    results += need.results + (outputs.json ? kJsonNumber * need.numbers : 0);
    working = std::max(working, need.working());
  }
  if (!outputs.html.empty() || !outputs.svg.empty()) results += kPage;
  return memory_room_for("analyze", *budget, results + working, "results and the module that takes most") -
         results;
}

}  // namespace lorry::cli
