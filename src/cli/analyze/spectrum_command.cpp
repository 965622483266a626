// `lorry analyze spectrum`: how many directions does an update really use?
#include <fmt/format.h>

#include <memory>
#include <optional>

#include "cli/analyze/analyze_command.hpp"
#include "cli/analyze/coverage.hpp"
#include "cli/analyze/memory.hpp"
#include "cli/analyze/progress.hpp"
#include "cli/analyze/spectrum_results.hpp"
#include "cli/output.hpp"
#include "cli/shared_options.hpp"

namespace lorry::cli {

namespace {

constexpr const char* kSpectrumName = "spectrum";

constexpr const char* kSpectrumNotes =
    R"(Singular values of ΔW = (alpha / rank) B A, or W_tuned - W of a full fine-tune, and what they say: stable rank,
effective rank (entropy), and the rank that would have held --energy of the update. An effective rank near the rank
asks for a larger one; one far below allows a smaller one. Several ADAPTERs are shown side by side.

Examples:
  lorry analyze spectrum my-adapter
  lorry analyze spectrum rank-8 rank-64 --energy 0.95 --html spectrum.html
  lorry analyze spectrum fully-tuned --model llama-3.2-1b --modules q_proj,v_proj --json
)";

struct SpectrumFlags {
  SubjectFlags subjects;
  OutputFlags outputs;
  double energy = 0.9;
  Index threads = 0;
  std::optional<Index> memory_budget;
};

void print_tables(const std::vector<MeasuredSpectra>& all) {
  const Index width = table_width();
  std::string text;
  for (const MeasuredSpectra& spectra : all) {
    text += fmt::format("{} ({})\n\n", spectra.subject->name, description(*spectra.subject));
    text += tables_text(measurements_of(spectra), width) + "\n";
  }
  text += terms_text(measurements_of(all.front())) + "\n";
  for (const MeasuredSpectra& spectra : all) text += rank_verdict(spectra) + "\n";
  print_out(text);
}

void run(const SpectrumFlags& flags, const OptionTable& table) {
  Outputs outputs(flags.outputs);
  const std::vector<Subject> subjects = open_subjects(flags.subjects, ModelUse::kBaseOfTuned);
  analysis::SpectrumOptions options{.energy_share = flags.energy, .threads = flags.threads};
  std::vector<analysis::MemoryNeed> needs;
  needs.reserve(subjects.size());
  for (const Subject& subject : subjects) {
    needs.push_back(analysis::spectrum_memory(*subject.updates, options));
  }
  options.memory = memory_for_modules(flags.memory_budget, needs, flags.outputs);
  std::vector<MeasuredSpectra> all;
  for (const Subject& subject : subjects) {
    ModuleProgress progress(fmt::format("decomposing {}", subject.name),
                            std::ssize(subject.updates->modules()));
    options.progress = progress.callback();
    all.push_back({.subject = &subject,
                   .energy_share = flags.energy,
                   .modules = analysis::measure_spectra(*subject.updates, options)});
  }
  for (const MeasuredSpectra& spectra : all) {
    warn_of_cuts(spectra.subject->name, spectra.modules, [](const auto& module) { return module.coverage; });
  }
  if (outputs.csv() != nullptr) write_spectrum_csv(*outputs.csv(), all);
  if (outputs.wants_page())
    outputs.write_page(spectrum_page(all, subjects, command_line(kSpectrumName, table)));
  if (outputs.wants_charts()) write_spectrum_charts(outputs, all);
  outputs.commit();
  if (flags.outputs.json) {
    print_spectrum_json(all);
  } else {
    print_tables(all);
    print_out(outputs.summary());
  }
}

}  // namespace

Command make_spectrum_command() {
  const auto flags = std::make_shared<SpectrumFlags>();
  Command command{.name = kSpectrumName,
                  .purpose = "Shows how many directions an update uses: was the rank right?",
                  .notes = kSpectrumNotes,
                  .has_yaml = false};
  OptionTable& table = command.options;
  add_subject_option(table, flags->subjects, "folder of an adapter or a fully tuned model; one or more");
  add_model_option(table, flags->subjects, "base of the fully tuned models among them");
  add_modules_option(table, flags->subjects);
  table.add("energy", "E", bind_number(flags->energy, {.low = 0, .high = 1, .low_open = true}),
            "share of ‖ΔW‖² that the sufficient rank is to hold");
  table.group("Computing");
  add_threads_option(table, flags->threads);
  add_piecewise_memory_option(table, flags->memory_budget);
  add_output_options(table, flags->outputs);
  command.run = [flags](OptionTable& options) { run(*flags, options); };
  return command;
}

}  // namespace lorry::cli
