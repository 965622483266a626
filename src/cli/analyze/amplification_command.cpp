// `lorry analyze amplification`: which of W's features has training made louder?
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "analysis/linear_weights.hpp"
#include "cli/analyze/amplification_results.hpp"
#include "cli/analyze/analyze_command.hpp"
#include "cli/analyze/coverage.hpp"
#include "cli/analyze/memory.hpp"
#include "cli/analyze/progress.hpp"
#include "cli/output.hpp"
#include "cli/shared_options.hpp"

namespace lorry::cli {

namespace {

constexpr const char* kAmplificationName = "amplification";

constexpr const char* kAmplificationNotes =
    R"(Table 7 of the LoRA paper for every adapted matrix: W projected on the directions of ΔW, on its own top ones, and on
random ones. The factor ‖ΔW‖ / ‖UᵀWVᵀ‖ says how much louder training made directions that W has but does not emphasise.
φ left and right are Figure 8: the share of ΔW's directions within W's top w. Several ADAPTERs are shown side by side.

Examples:
  lorry analyze amplification my-adapter --model llama-3.2-1b
  lorry analyze amplification rank-4 rank-64 --model llama-3.2-1b --modules q_proj --html amplification.html
  lorry analyze amplification fully-tuned --model llama-3.2-1b --rank 4 --json
)";

struct AmplificationFlags {
  SubjectFlags subjects;
  OutputFlags outputs;
  std::optional<Index> rank;
  std::optional<Index> weight_rank;
  Index seeds = 3;
  std::uint64_t seed = 1;
  Index threads = 0;
  std::optional<Index> memory_budget;
};

void print_tables(const std::vector<MeasuredAmplification>& all) {
  const Index width = table_width();
  std::string text;
  for (const MeasuredAmplification& measured : all) {
    text += fmt::format("{} ({})\n\n", measured.subject->name, description(*measured.subject));
    text += tables_text(measurements_of(measured), width) + "\n";
  }
  text += terms_text(measurements_of(all.front())) + "\n";
  for (const MeasuredAmplification& measured : all) {
    text += fmt::format("{}\n{}\n", amplification_verdict(measured), work_line(measured));
  }
  print_out(text);
}

std::vector<analysis::MemoryNeed> needs_of(const std::vector<Subject>& subjects,
                                           const AmplificationFlags& flags,
                                           const analysis::AmplificationOptions& options) {
  std::vector<analysis::MemoryNeed> needs;
  if (!flags.memory_budget) return needs;
  const analysis::LinearWeights weights(flags.subjects.model);
  for (const Subject& subject : subjects) {
    needs.push_back(analysis::amplification_memory(*subject.updates, weights, options));
  }
  return needs;
}

std::vector<MeasuredAmplification> measure_all(const std::vector<Subject>& subjects,
                                               const AmplificationFlags& flags) {
  analysis::AmplificationOptions options{.directions = flags.rank.value_or(0),
                                         .weight_directions = flags.weight_rank.value_or(0),
                                         .random_seeds = flags.seeds,
                                         .seed = flags.seed,
                                         .threads = flags.threads};
  options.memory = memory_for_modules(flags.memory_budget, needs_of(subjects, flags, options), flags.outputs);
  std::vector<MeasuredAmplification> all;
  for (const Subject& subject : subjects) {
    ModuleProgress progress(fmt::format("measuring {}", subject.name),
                            std::ssize(subject.updates->modules()));
    const Stopwatch watch;
    MeasuredAmplification measured{
        .subject = &subject, .all_directions = !flags.rank, .random_seeds = flags.seeds};
    options.progress = progress.callback();
    measured.report = analysis::measure_amplification(*subject.updates, flags.subjects.model, options);
    measured.seconds = watch.seconds();
    all.push_back(std::move(measured));
  }
  return all;
}

/// A line where --rank or --weight-rank asks for more directions than some modules have.
void note_clamped(const AmplificationFlags& flags, const MeasuredAmplification& measured) {
  const std::vector<analysis::ModuleAmplification>& modules = measured.report.modules;
  const auto note = [&](const char* flag, Index asked, const char* whose, const auto& has) {
    const Index fewer = std::count_if(modules.begin(), modules.end(),
                                      [&](const auto& module) { return has(module) < asked; });
    if (fewer == 0) return;
    print_note(fmt::format(
        "note: {}: --{} {}: {} of {} modules have fewer directions of {}; all they have are taken",
        measured.subject->name, flag, asked, fewer, modules.size(), whose));
  };
  if (flags.rank) note("rank", *flags.rank, "ΔW", [](const auto& module) { return module.directions; });
  if (flags.weight_rank) {
    note("weight-rank", *flags.weight_rank, "W",
         [](const auto& module) { return std::min(module.info.outputs, module.info.inputs); });
  }
}

void run(const AmplificationFlags& flags, const OptionTable& table) {
  Outputs outputs(flags.outputs);
  const std::vector<Subject> subjects = open_subjects(flags.subjects, ModelUse::kNeeded);
  const std::vector<MeasuredAmplification> all = measure_all(subjects, flags);
  for (const MeasuredAmplification& measured : all) {
    note_clamped(flags, measured);
    if (flags.rank) continue;  // as many as were asked for
    warn_of_cuts(measured.subject->name, measured.report.modules,
                 [](const auto& module) { return module.coverage; });
  }
  if (outputs.csv() != nullptr) write_amplification_csv(*outputs.csv(), all);
  if (outputs.wants_page()) {
    const Facts more = {{"model", flags.subjects.model.string()},
                        {"random directions", fmt::format("{} seeds from {} on", flags.seeds, flags.seed)}};
    outputs.write_page(amplification_page(all, subjects, command_line(kAmplificationName, table), more));
  }
  if (outputs.wants_charts()) write_amplification_charts(outputs, all);
  outputs.commit();
  if (flags.outputs.json) {
    print_amplification_json(all, flags.seed);
  } else {
    print_tables(all);
    print_out(outputs.summary());
  }
}

}  // namespace

Command make_amplification_command() {
  const auto flags = std::make_shared<AmplificationFlags>();
  Command command{.name = kAmplificationName,
                  .purpose = "Compares the update with the weights: what has training made louder?",
                  .notes = kAmplificationNotes,
                  .has_yaml = false};
  OptionTable& table = command.options;
  add_subject_option(table, flags->subjects, "folder of an adapter or a fully tuned model; one or more");
  add_model_option(table, flags->subjects, "the model that was trained: W").required = true;
  add_modules_option(table, flags->subjects);
  table.add("rank", "N", bind_integer(flags->rank, 1), "r: how many of ΔW's directions").default_text =
      "all it has";
  table
      .add("weight-rank", "N", bind_integer(flags->weight_rank, 1),
           "w: how many of W's directions in Figure 8")
      .default_text = "an eighth of the smaller side, at most 64";
  table.add("seeds", "N", bind_integer(flags->seeds, 1, kMostSeeds),
            "random sets of directions, at most 1000");
  table.add("seed", "N", bind_seed(flags->seed), "fixes them");
  table.group("Computing");
  add_threads_option(table, flags->threads);
  add_piecewise_memory_option(table, flags->memory_budget);
  add_output_options(table, flags->outputs);
  command.run = [flags](OptionTable& options) { run(*flags, options); };
  return command;
}

}  // namespace lorry::cli
