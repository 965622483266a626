// `lorry export`: an adapter in a format of other programs.
#include <fmt/format.h>

#include <memory>

#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/shared_options.hpp"
#include "core/clock.hpp"
#include "core/error.hpp"
#include "model/gguf_adapter.hpp"

namespace lorry::cli {

namespace {

constexpr const char* kExportNotes =
    R"(Writes a PEFT adapter as a GGUF file, which llama.cpp adds to a GGUF file of the base: `llama-cli -m BASE.gguf --lora
FILE.gguf`. Scales of layers that differ are multiplied into the tensors; rows are in llama.cpp's order. What such a file
cannot hold (DoRA, biases, tensors trained in full, new tokens) is refused.

Examples:
  lorry export --adapter my-adapter --out my-adapter.gguf
  lorry export --model llama-3.2-1b-Q4_K_M.gguf --adapter my-adapter --out my-adapter.gguf --type f16
)";

enum class ExportFormat { kGguf };

struct ExportFlags {
  std::filesystem::path model;
  std::filesystem::path adapter;
  std::filesystem::path out;
  ExportFormat format = ExportFormat::kGguf;
  DType type = DType::kF32;
  bool json = false;
};

void run(ExportFlags& flags) {
  std::error_code ignored;
  if (std::filesystem::exists(flags.out, ignored)) {
    throw Error("[export] {}: found a file or folder of that name; expected a new one", flags.out.string());
  }
  use_base_model(flags.model, flags.adapter);
  const Stopwatch watch;
  const model::GgufAdapterReport report =
      model::export_gguf_adapter(flags.model, flags.adapter, flags.out, flags.type);
  if (flags.json) {
    print_json({{"out", flags.out.string()},
                {"format", "gguf"},
                {"architecture", report.architecture},
                {"type", flags.type == DType::kF16 ? "f16" : "f32"},
                {"updates", report.updates},
                {"folded", report.folded},
                {"alpha", report.alpha},
                {"bytes", report.bytes},
                {"seconds", watch.seconds()}});
    return;
  }
  print_out(fmt::format("adapter: {} ({}, {} updates, {})\n", flags.out.string(), report.architecture,
                        report.updates, format_bytes(report.bytes)));
  if (report.folded > 0) {
    print_out(fmt::format("scales: those of {} updates are multiplied into their tensors\n", report.folded));
  }
}

}  // namespace

Command make_export_command() {
  const auto flags = std::make_shared<ExportFlags>();
  Command command{
      .name = "export", .purpose = "Writes an adapter as a GGUF file for llama.cpp.", .notes = kExportNotes};
  OptionTable& table = command.options;
  add_model_options(table, flags->model, flags->adapter, "the PEFT adapter to write");
  table.find("adapter")->required = true;
  table.group("Output");
  table.add("out", "FILE", bind_path(flags->out), "the file to write; must be new").required = true;
  table.add("format", "NAME", bind_choice<ExportFormat>(flags->format, {{"gguf", ExportFormat::kGguf}}),
            "gguf");
  table.add("type", "NAME", bind_choice<DType>(flags->type, {{"f32", DType::kF32}, {"f16", DType::kF16}}),
            "f32 or f16: of the numbers");
  add_json_option(table, flags->json, "paths and figures as one JSON object");
  command.run = [flags](OptionTable&) { run(*flags); };
  return command;
}

}  // namespace lorry::cli
