// `lorry analyze compress`: the best adapter of lower rank, from an adapter or a full fine-tune.
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "analysis/compress.hpp"
#include "analysis/linear_weights.hpp"
#include "cli/analyze/analyze_command.hpp"
#include "cli/analyze/coverage.hpp"
#include "cli/analyze/figure_tables.hpp"
#include "cli/analyze/memory.hpp"
#include "cli/analyze/outputs.hpp"
#include "cli/analyze/progress.hpp"
#include "cli/analyze/subjects.hpp"
#include "cli/output.hpp"
#include "cli/shared_options.hpp"
#include "cli/shell_word.hpp"
#include "core/option_error.hpp"
#include "io/safetensors.hpp"
#include "model/adapter_check.hpp"
#include "model/base_model.hpp"

namespace lorry::cli {

namespace {

constexpr const char* kCompressName = "compress";

constexpr const char* kCompressNotes =
    R"(The best approximation of every ΔW by a lower rank (Eckart & Young), written as a PEFT adapter in which modules may
differ in rank. From a fully tuned model with its base as --model, an adapter is extracted: changes of embeddings, norms
and biases are not in it. The error is ‖ΔW - BA‖ / ‖ΔW‖; what it costs in quality, lorry eval tells.

Examples:
  lorry analyze compress my-adapter --rank 4 --out rank-4
  lorry analyze compress my-adapter --energy 0.95 --out smaller
  lorry analyze compress fully-tuned --model llama-3.2-1b --rank 16 --out extracted
)";

struct CompressFlags {
  SubjectFlags subjects;
  std::optional<Index> rank;
  std::optional<double> energy;
  std::filesystem::path out;
  Index threads = 0;
  std::optional<Index> memory_budget;
  bool json = false;
};

/// What adapter_config.json says of the model.
struct Base {
  std::string name;
  bool conv1d = false;
  std::optional<std::filesystem::path> folder = std::nullopt;  // where it is; nothing: not found
};

/// They would be lost.
void refuse_beside_parts(const std::filesystem::path& adapter, const model::PeftConfig& config) {
  std::vector<std::string> parts =
      model::beside_parts(config, io::SafetensorsFile(adapter / model::kAdapterWeightsFile)).trained;
  if (std::erase(parts, "lora_embedding") > 0 && parts.empty()) {
    throw Error(
        "[analyze] {}: found updates of embeddings; compress keeps those of linear layers alone; expected "
        "an adapter without them",
        adapter.string());
  }
  if (parts.empty()) return;
  throw Error(
      "[analyze] {}: field{} \"{}\": found in use; compress keeps A and B alone; expected an adapter without "
      "{}",
      (adapter / model::kAdapterConfigFile).string(), parts.size() == 1 ? "" : "s",
      fmt::join(parts, "\", \""), parts.size() == 1 ? "it" : "them");
}

Base base_of(const Subject& subject, const std::filesystem::path& model) {
  if (!subject.full) {
    const model::PeftConfig config = model::load_peft_config(subject.path);
    refuse_beside_parts(subject.path, config);
    return {.name = config.base_model_name_or_path,
            .conv1d = config.fan_in_fan_out,
            .folder = model::find_base_model(subject.path, config)};
  }
  const analysis::LinearWeights weights(model);
  return {.name = model.string(),
          .conv1d = std::any_of(weights.all().begin(), weights.all().end(),
                                [](const auto& w) { return w.inputs_by_outputs; })};
}

/// All modules together.
struct Total {
  Index before = 0;  // parameters of the factors; of the whole ΔW where it has none
  Index after = 0;
  double delta_norm = 0;
  double error = 0;  // relative, of all ΔW as one

  explicit Total(const std::vector<analysis::CompressedModule>& modules) {
    double squares = 0;
    double lost = 0;
    for (const analysis::CompressedModule& module : modules) {
      const analysis::UpdateInfo& info = module.info;
      before += info.dense ? info.outputs * info.inputs : info.rank * (info.outputs + info.inputs);
      after += module.rank * (info.outputs + info.inputs);
      squares += module.delta_norm * module.delta_norm;
      lost += std::pow(module.delta_norm * module.relative_error, 2);
    }
    delta_norm = std::sqrt(squares);
    error = squares > 0 ? std::sqrt(lost / squares) : 0;
  }
};

std::string note_of(const analysis::CompressedModule& module) {
  return module.note.empty() ? coverage_note(module.coverage) : module.note;
}

Measurements measurements_of(const Subject& subject, const std::vector<analysis::CompressedModule>& modules) {
  Measurements result{.subject = subject.name, .facts = {{"rank before", true}, {"after", true}}};
  result.measures = {{.key = "delta_norm", .title = "‖ΔW‖"},
                     {.key = "error", .title = "error", .decimals = 4},
                     {.key = "energy", .title = "energy kept", .decimals = 4}};
  for (const analysis::CompressedModule& module : modules) {
    MeasuredModule row{.module = module.info.module, .note = note_of(module)};
    row.facts = {module.info.rank, module.rank};
    row.figures = {
        {"delta_norm", {module.delta_norm}}, {"error", {module.relative_error}}, {"energy", {module.energy}}};
    result.modules.push_back(std::move(row));
  }
  return result;
}

void print_outcome(const CompressFlags& flags, const std::vector<analysis::CompressedModule>& modules) {
  std::vector<io::OrderedJson> list;
  list.reserve(modules.size());
  for (const analysis::CompressedModule& module : modules) {
    list.push_back({{"module", module.info.module},
                    {"rank_before", module.info.rank},
                    {"rank", module.rank},
                    {"delta_norm", json_number(module.delta_norm)},
                    {"relative_error", json_number(module.relative_error)},
                    {"energy", json_number(module.energy)},
                    {"complete", module.coverage.complete},
                    {"note", json_note(note_of(module))}});
  }
  const Total total(modules);
  print_modules(list, {{"out", flags.out.string()},
                       {"parameters_before", total.before},
                       {"parameters", total.after},
                       {"delta_norm", json_number(total.delta_norm)},
                       {"relative_error", json_number(total.error)}});
}

void print_tables(const CompressFlags& flags, const Subject& subject, const Base& base,
                  const std::vector<analysis::CompressedModule>& modules) {
  const Total total(modules);
  std::string text = fmt::format("{} ({})\n\n", subject.name, description(subject));
  text += module_table(measurements_of(subject, modules), Summary::kBelow).to_text(table_width());
  text +=
      fmt::format("\nin total: error {:.4f} of ‖ΔW‖ = {:.4g}; {} parameters before, {} after ({:.3g} %)\n",
                  total.error, total.delta_norm, total.before, total.after,
                  100.0 * static_cast<double>(total.after) / static_cast<double>(total.before));
  text += fmt::format("adapter: {}\n", flags.out.string());
  const std::string model =
      shell_word(subject.full ? flags.subjects.model.string() : base.folder.value_or("MODEL").string());
  const std::string before = shell_word(subject.path.string());
  text += fmt::format(
      "\nWhat to try next:\n  {3} eval --model {0} --adapter {1} --data HELD_OUT.jsonl\n"
      "  {3} eval --model {2} --data HELD_OUT.jsonl\n",
      model, shell_word(flags.out.string()),
      subject.full ? before : fmt::format("{} --adapter {}", model, before), program_word());
  print_out(text);
}

/// Where nothing gets smaller, what is written is the adapter once more.
void note_same_rank(const CompressFlags& flags, const Subject& subject,
                    const std::vector<analysis::CompressedModule>& modules) {
  if (subject.full) return;
  const Index same = std::count_if(modules.begin(), modules.end(),
                                   [](const auto& module) { return module.rank == module.info.rank; });
  const std::string asked =
      flags.rank ? fmt::format("--rank {}", *flags.rank) : fmt::format("--energy {:g}", *flags.energy);
  if (same == std::ssize(modules)) {
    print_note(fmt::format("note: {}: {}: no module gets smaller; what is written is the same update again",
                           subject.name, asked));
  } else if (same > 0) {
    print_note(fmt::format("note: {}: {}: {} of {} modules keep their rank", subject.name, asked, same,
                           modules.size()));
  }
}

void check(const CompressFlags& flags) {
  if (flags.rank.has_value() == flags.energy.has_value()) {
    throw OptionError("[analyze] --rank, --energy: found {}; expected one of them",
                      flags.rank ? "both" : "neither");
  }
}

void run(const CompressFlags& flags) {
  check(flags);
  // Claims the place before any work; the library writes there at the end.
  { const io::AtomicFolder place(flags.out); }
  // The result is for PEFT, which knows no parts of maps.
  const std::vector<Subject> subjects =
      open_subjects(flags.subjects, ModelUse::kBaseOfTuned, model::PartsAs::kStacked);
  const Subject& subject = subjects.front();
  const Base base = base_of(subject, flags.subjects.model);
  analysis::CompressOptions options{
      .rank = flags.rank.value_or(0), .energy_share = flags.energy.value_or(0), .threads = flags.threads};
  options.memory =
      memory_for_modules(flags.memory_budget, {analysis::compress_memory(*subject.updates, options)}, {});
  std::vector<analysis::CompressedModule> modules;
  {
    ModuleProgress progress(fmt::format("compressing {}", subject.name),
                            std::ssize(subject.updates->modules()));
    options.progress = progress.callback();
    modules = analysis::compress(*subject.updates, options);
  }
  warn_of_cuts(subject.name, modules, [](const auto& module) { return module.coverage; });
  note_same_rank(flags, subject, modules);
  analysis::save_compressed(flags.out, modules, base.name, base.conv1d,
                            subject.full ? std::filesystem::path() : subject.path);
  if (flags.json) {
    print_outcome(flags, modules);
  } else {
    print_tables(flags, subject, base, modules);
  }
}

}  // namespace

Command make_compress_command() {
  const auto flags = std::make_shared<CompressFlags>();
  Command command{.name = kCompressName,
                  .purpose = "Writes a smaller adapter that does nearly the same.",
                  .notes = kCompressNotes,
                  .has_yaml = false};
  OptionTable& table = command.options;
  add_subject_option(table, flags->subjects, "folder of an adapter or a fully tuned model").repeated = false;
  add_model_option(table, flags->subjects, "base of a fully tuned model");
  add_modules_option(table, flags->subjects);
  table.group("How small");
  table.add("rank", "N", bind_integer(flags->rank, 1), "keep at most N directions of every module; or");
  table.add("energy", "E", bind_number(flags->energy, {.low = 0, .high = 1, .low_open = true}),
            "keep as many as hold this share of ‖ΔW‖², per module");
  table.group("Computing");
  add_threads_option(table, flags->threads);
  add_piecewise_memory_option(table, flags->memory_budget);
  table.group("Output");
  table.add("out", "DIR", bind_path(flags->out), "the folder to write; must be new or empty").required = true;
  add_json_option(table, flags->json, "errors and ranks as one JSON object");
  command.run = [flags](OptionTable&) { run(*flags); };
  return command;
}

}  // namespace lorry::cli
