// `lorry analyze similarity`: do trainings use the same directions?
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>

#include "cli/analyze/analyze_command.hpp"
#include "cli/analyze/coverage.hpp"
#include "cli/analyze/memory.hpp"
#include "cli/analyze/progress.hpp"
#include "cli/analyze/similarity_page.hpp"
#include "cli/output.hpp"
#include "cli/shared_options.hpp"
#include "core/option_error.hpp"

namespace lorry::cli {

namespace {

constexpr const char* kSimilarityName = "similarity";

constexpr const char* kSimilarityNotes =
    R"(φ(i, j) is how much of the space of the i leading directions of one update lies in that of the j leading directions
of another (LoRA paper, sec. 7.2): 0 nothing, 1 all of it. Directions are those of A (inputs), B (outputs), and the
row and column space of ΔW = (alpha / rank) B A. "top" is φ(1,1), "all" is φ(p,p) with p the smaller rank.

Ways to use it: ranks 8 and 64 (is the rest of rank 64 noise?), two seeds (is what was learnt reproducible?), two
checkpoints of one run (have the directions settled?), an adapter and a full fine-tune with its base as --model.
With three adapters or more, every pair is compared.

Examples:
  lorry analyze similarity rank-8 rank-64 --html similarity.html
  lorry analyze similarity seed-1 seed-2 seed-3 --modules q_proj,v_proj --csv phi.csv
  lorry analyze similarity my-adapter fully-tuned --model llama-3.2-1b --json
)";

struct SimilarityFlags {
  SubjectFlags subjects;
  OutputFlags outputs;
  Index seeds = 5;
  std::uint64_t seed = 1;
  Index threads = 0;
  std::optional<Index> memory_budget;
};

/// Every two of them.
std::vector<ComparedPair> pairs_of(const std::vector<Subject>& subjects) {
  std::vector<ComparedPair> pairs;
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    for (std::size_t j = i + 1; j < subjects.size(); ++j) {
      pairs.push_back({.first = &subjects[i], .second = &subjects[j]});
    }
  }
  return pairs;
}

std::vector<ComparedPair> compare_all(const std::vector<Subject>& subjects, const SimilarityFlags& flags) {
  std::vector<ComparedPair> pairs = pairs_of(subjects);
  analysis::SimilarityOptions options{.controls = flags.seeds > 0,
                                      .control_seeds = flags.seeds,
                                      .seed = flags.seed,
                                      .threads = flags.threads};
  std::vector<analysis::MemoryNeed> needs;
  needs.reserve(pairs.size());
  for (const ComparedPair& pair : pairs) {
    needs.push_back(analysis::similarity_memory(*pair.first->updates, *pair.second->updates, options));
  }
  options.memory = memory_for_modules(flags.memory_budget, needs, flags.outputs);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    ComparedPair& pair = pairs[i];
    ModuleProgress progress(fmt::format("comparing {}", pair.name()), std::ssize(needs[i].modules));
    options.progress = progress.callback();
    pair.report = analysis::measure_similarity(*pair.first->updates, *pair.second->updates, options);
  }
  return pairs;
}

void print_tables(const std::vector<ComparedPair>& pairs) {
  const Index width = table_width();
  std::string text;
  for (const ComparedPair& pair : pairs) {
    const Measurements figures = measurements_of(pair);
    text += fmt::format("{} ({}) and {} ({})\n\n", pair.first->name, description(*pair.first),
                        pair.second->name, description(*pair.second));
    text += tables_text(figures, width);
    for (const std::string& line : skipped_lines(pair)) text += line + "\n";
    text += "\n";
  }
  text += terms_text(measurements_of(pairs.front())) + "\n";
  for (const ComparedPair& pair : pairs) text += similarity_verdict(pair) + "\n";
  print_out(text);
}

/// A line per subject, though it may be in several pairs.
void warn_once_of_cuts(const std::vector<ComparedPair>& pairs) {
  std::set<const Subject*> done;
  for (const ComparedPair& pair : pairs) {
    const auto& modules = pair.report.modules;
    if (done.insert(pair.first).second) {
      warn_of_cuts(pair.first->name, modules, [](const auto& module) { return module.first; });
    }
    if (done.insert(pair.second).second) {
      warn_of_cuts(pair.second->name, modules, [](const auto& module) { return module.second; });
    }
  }
}

void run(const SimilarityFlags& flags, const OptionTable& table) {
  if (flags.seeds == 0 && table.source("seed") != Source::kDefault) {
    throw OptionError("[analyze] --seed: has no effect with --seeds 0; expected one of them");
  }
  Outputs outputs(flags.outputs);
  const std::vector<Subject> subjects = open_subjects(flags.subjects, ModelUse::kBaseOfTuned);
  const std::vector<ComparedPair> pairs = compare_all(subjects, flags);
  warn_once_of_cuts(pairs);
  if (outputs.csv() != nullptr) write_similarity_csv(*outputs.csv(), pairs);
  if (outputs.wants_page()) {
    const std::string control = flags.seeds > 0 ? fmt::format("{} seeds from {} on", flags.seeds, flags.seed)
                                                : std::string("by expectation, max(i, j) / d");
    outputs.write_page(similarity_page(pairs, subjects, command_line(kSimilarityName, table),
                                       {{"random control", control}}));
  }
  if (outputs.wants_charts()) write_similarity_charts(outputs, pairs);
  outputs.commit();
  if (flags.outputs.json) {
    print_similarity_json(pairs, flags.seed);
  } else {
    print_tables(pairs);
    print_out(outputs.summary());
  }
}

}  // namespace

Command make_similarity_command() {
  const auto flags = std::make_shared<SimilarityFlags>();
  Command command{.name = kSimilarityName,
                  .purpose = "Compares the directions that two trainings or more have learnt.",
                  .notes = kSimilarityNotes,
                  .has_yaml = false};
  OptionTable& table = command.options;
  add_subject_option(table, flags->subjects, "folders of two adapters or more, or of fully tuned models")
      .least = 2;
  add_model_option(table, flags->subjects, "base of the fully tuned models among them");
  add_modules_option(table, flags->subjects);
  table.add("seeds", "N", bind_integer(flags->seeds, 0, kMostSeeds),
            "random matrices for the control, at most 1000; 0: none");
  table.add("seed", "N", bind_seed(flags->seed), "fixes them");
  table.group("Computing");
  add_threads_option(table, flags->threads);
  add_piecewise_memory_option(table, flags->memory_budget);
  add_output_options(table, flags->outputs);
  command.run = [flags](OptionTable& options) { run(*flags, options); };
  return command;
}

}  // namespace lorry::cli
