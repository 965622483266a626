// cli/analyze/similarity_results.hpp: what `lorry analyze similarity` found, as figures per module, JSON and
// CSV.
#pragma once
#include <array>
#include <string>
#include <vector>

#include "analysis/similarity.hpp"
#include "cli/analyze/measurements.hpp"
#include "cli/analyze/outputs.hpp"
#include "cli/analyze/subjects.hpp"

namespace lorry::cli {

/// Two of the subjects, compared.
struct ComparedPair {
  const Subject* first = nullptr;
  const Subject* second = nullptr;
  analysis::SimilarityReport report = {};

  [[nodiscard]] std::string name() const { return first->name + " and " + second->name; }
};

/// The four spaces that are compared, by one name in tables, JSON keys, CSV and file names.
struct ComparedSpace {
  const char* key;          // "row": phi_row
  const char* title;        // "row", in a column's title
  const char* chart_title;  // "rows of ΔW"
  const char* description;  // for those who see it the first time; one line
  analysis::SubspaceSimilarity analysis::ModuleSimilarity::*member;
};
inline constexpr std::array<ComparedSpace, 4> kComparedSpaces = {{
    {"a", "A", "A", "right-singular directions of A: the inputs that the update can react to",
     &analysis::ModuleSimilarity::a},
    {"b", "B", "B", "left-singular directions of B: the outputs that it can change",
     &analysis::ModuleSimilarity::b},
    {"row", "row", "the rows of ΔW", "right-singular directions of ΔW: inputs, strongest effect first",
     &analysis::ModuleSimilarity::row},
    {"column", "column", "the columns of ΔW",
     "left-singular directions of ΔW: outputs, strongest effect first", &analysis::ModuleSimilarity::column},
}};

/// Per space, φ(1,1) and φ(p,p) with p the smaller rank; NaN where there is none or it is not determined.
Measurements measurements_of(const ComparedPair& pair);
/// The keys of its measures: "a_top", "a_all", "b_top", ...
std::vector<std::string> similarity_keys();

/// "left out: 12 modules (only in r8): a, b, c, ...", one per reason.
std::vector<std::string> skipped_lines(const ComparedPair& pair);

/// What the medians say, in one sentence, and in another that both had one start, where that is known.
std::string similarity_verdict(const ComparedPair& pair);

/// Prints all numbers as one object (docs/commands/analyze.md names its fields).
void print_similarity_json(const std::vector<ComparedPair>& pairs, std::uint64_t seed);
/// A row per φ(i, j).
void write_similarity_csv(CsvFile& csv, const std::vector<ComparedPair>& pairs);

}  // namespace lorry::cli
