// `lorry merge`: a base model and an adapter as one model.
#include <fmt/format.h>

#include <memory>

#include "cli/byte_progress.hpp"
#include "cli/command.hpp"
#include "cli/merge_report.hpp"
#include "cli/output.hpp"
#include "cli/shared_options.hpp"
#include "core/clock.hpp"
#include "core/option_error.hpp"
#include "model/merge.hpp"
#include "ops/ops.hpp"

namespace lorry::cli {

namespace {

constexpr const char* kMergeNotes =
    R"(Writes W + (alpha / rank) B A for every adapted weight, in the type it has, and copies everything else byte for
byte. A quantised model (NF4, int8, GGUF) stays one, with new scales for what changed; --dequantize makes plain weights of NF4
and int8, --format quantises a plain model. What rounding to the stored type lost of the update is reported. Works piece
by piece, so models larger than the memory are fine.

Examples:
  lorry merge --model llama-3.2-1b --adapter my-adapter --out merged
  lorry merge --model llama-3.2-1b --adapter my-adapter --out merged-nf4 --format nf4
  lorry merge --model llama-3.2-1b-Q8_0.gguf --adapter my-adapter --out merged-Q8_0.gguf
)";

struct MergeFlags {
  std::filesystem::path model;
  std::filesystem::path adapter;
  std::filesystem::path out;
  bool dequantize = false;
  std::optional<model::BnbFormat> format = std::nullopt;
  bool no_double_quant = false;
  Index threads = 0;
  std::optional<Index> memory_budget = std::nullopt;
  bool json = false;
};

model::MergeOptions merge_options(const MergeFlags& flags) {
  if (flags.no_double_quant && flags.format != model::BnbFormat::kNf4) {
    throw OptionError("[merge] --no-double-quant: found without --format nf4; expected both");
  }
  model::MergeOptions options{
      .dequantize = flags.dequantize, .threads = flags.threads, .memory_budget = flags.memory_budget};
  if (flags.format) options.quantize = {.format = *flags.format, .double_quant = !flags.no_double_quant};
  return options;
}

void run(MergeFlags& flags) {
  const model::MergeOptions options = merge_options(flags);
  use_base_model(flags.model, flags.adapter);
  const auto ops = ops::make_cpu_ops(flags.threads);
  const Stopwatch watch;
  model::MergeReport report;
  {
    ByteProgress progress("merging");
    const auto told = [&](Index done, Index total) { progress.update(done, total); };
    report = model::merge_adapter(*ops, flags.model, flags.adapter, flags.out, told, options);
  }
  if (flags.json) {
    io::OrderedJson json = {{"out", flags.out.string()}, {"bytes", report.bytes}};
    json.update(merge_losses(report));
    json["seconds"] = watch.seconds();
    json["peak_rss_bytes"] = peak_rss_bytes();
    print_json(json);
  } else {
    print_out(fmt::format("model: {}\n{}", flags.out.string(), merge_loss_text(report)));
  }
  if (const std::optional<std::string> warning = merge_warning(report, flags.format.has_value()))
    print_note(*warning);
}

}  // namespace

Command make_merge_command() {
  const auto flags = std::make_shared<MergeFlags>();
  Command command{.name = "merge",
                  .purpose = "Adds an adapter to the weights and writes them as a model.",
                  .notes = kMergeNotes};
  OptionTable& table = command.options;
  add_model_options(table, flags->model, flags->adapter, "the PEFT adapter to add");
  table.find("adapter")->required = true;
  table.group("Output");
  table
      .add("out", "PATH", bind_path(flags->out),
           "the folder to write, new or empty; or of a GGUF model the file, a new one")
      .required = true;
  table.add("dequantize", "", bind_switch(flags->dequantize),
            "of a quantised model: write plain bf16 weights");
  table.add("format", "NAME",
            bind_choice<std::optional<model::BnbFormat>>(
                flags->format,
                {{"same", std::nullopt}, {"nf4", model::BnbFormat::kNf4}, {"int8", model::BnbFormat::kInt8}}),
            "same as the model, or nf4 or int8: quantise a model with plain weights");
  table.add("no-double-quant", "", bind_switch(flags->no_double_quant),
            "with --format nf4: keep the scales in float32");
  table.group("Computing");
  add_threads_option(table, flags->threads);
  add_piecewise_memory_option(table, flags->memory_budget);
  add_json_option(table, flags->json, "paths and figures as one JSON object");
  command.run = [flags](OptionTable&) { run(*flags); };
  return command;
}

}  // namespace lorry::cli
