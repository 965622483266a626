// `lorry inspect`: what a model, an adapter or a safetensors file holds.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>

#include "cli/command.hpp"
#include "cli/inspect_report.hpp"
#include "cli/output.hpp"
#include "cli/shared_options.hpp"
#include "core/option_error.hpp"
#include "io/gguf.hpp"

namespace lorry::cli {

namespace {

constexpr const char* kInspectNotes =
    R"(For a model: its sizes, the types and bytes of its weights, what training an adapter of rank 8 adds, and the layers
that --target-modules can name. For an adapter: rank, alpha, targets, and the norms of A and B. For a .safetensors file:
its tensors. Weights of a model are checked by name, type and shape, but not read.

Examples:
  lorry inspect llama-3.2-1b
  lorry inspect llama-3.2-1b-Q4_K_M.gguf
  lorry inspect my-adapter --json
  lorry inspect llama-3.2-1b/model.safetensors
)";

struct InspectFlags {
  std::filesystem::path path;
  std::filesystem::path model;
  std::filesystem::path adapter;
  bool json = false;
};

/// What there is to tell, for both kinds of reader.
struct Report {
  std::string text;
  io::OrderedJson json;
};

Report report_model(const std::filesystem::path& path) {
  const model::ModelSummary summary = model::inspect_model(path);
  return {model_text(path, summary), model_json(path, summary)};
}

Report report_adapter(const std::filesystem::path& path) {
  const model::AdapterSummary summary = model::inspect_adapter(path);
  return {adapter_text(path, summary), adapter_json(path, summary)};
}

Report report_path(const std::filesystem::path& path) {
  if (std::filesystem::is_directory(path)) {
    if (std::filesystem::exists(path / model::kAdapterConfigFile)) return report_adapter(path);
    if (std::filesystem::exists(path / "config.json")) return report_model(path);
    throw Error(
        "[inspect] {}: found neither config.json nor {}; expected the folder of a model or an adapter",
        path.string(), model::kAdapterConfigFile);
  }
  if (io::is_gguf_path(path)) return report_model(path);
  const io::SafetensorsFile file(path);
  return {file_text(file), file_json(file)};
}

void run(const InspectFlags& flags) {
  const int given =
      (flags.path.empty() ? 0 : 1) + (flags.model.empty() ? 0 : 1) + (flags.adapter.empty() ? 0 : 1);
  if (given != 1) throw OptionError("[inspect] PATH: found {} paths; expected one", given);
  const Report report = !flags.model.empty()     ? report_model(flags.model)
                        : !flags.adapter.empty() ? report_adapter(flags.adapter)
                                                 : report_path(flags.path);
  if (flags.json) {
    print_json(report.json);
  } else {
    print_out(report.text);
  }
}

}  // namespace

Command make_inspect_command() {
  const auto flags = std::make_shared<InspectFlags>();
  Command command{.name = "inspect",
                  .purpose = "Shows what is in a model, an adapter or a file.",
                  .notes = kInspectNotes};
  OptionTable& table = command.options;
  table.group("What");
  table
      .add("path", "PATH", bind_path(flags->path),
           "folder of a model or an adapter, a GGUF file, or a .safetensors file")
      .positional = true;
  table.add("model", "DIR", bind_path(flags->model), "instead of PATH: this must be a model");
  table.add("adapter", "DIR", bind_path(flags->adapter), "instead of PATH: this must be an adapter");
  add_json_option(table, flags->json, "the same as one JSON object");
  command.run = [flags](OptionTable&) { run(*flags); };
  return command;
}

}  // namespace lorry::cli
