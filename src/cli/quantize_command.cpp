// `lorry quantize`: a model folder in four or eight bits a weight.
#include <fmt/format.h>

#include <memory>

#include "cli/byte_progress.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/shared_options.hpp"
#include "core/clock.hpp"
#include "core/option_error.hpp"
#include "model/quantize.hpp"

namespace lorry::cli {

namespace {

constexpr const char* kQuantizeNotes =
    R"(Writes the linear maps of a model's blocks as bitsandbytes stores them: NF4 in blocks of 64, whose scales are
quantised too (about 4.13 bits a weight), or int8 by rows. Embeddings, head and norms stay. transformers loads the folder
where bitsandbytes is installed; Lorry trains adapters on it as it is (QLoRA). Works piece by piece, so models larger than
the memory are fine.

Examples:
  lorry quantize --model llama-3.2-1b --out llama-3.2-1b-nf4
  lorry quantize --model llama-3.2-1b --out llama-3.2-1b-int8 --format int8
)";

struct QuantizeFlags {
  std::filesystem::path model;
  std::filesystem::path out;
  model::BnbFormat format = model::BnbFormat::kNf4;
  bool no_double_quant = false;
  Index threads = 0;
  std::optional<Index> memory_budget;
  bool json = false;
};

std::string_view format_word(model::BnbFormat format) {
  return format == model::BnbFormat::kNf4 ? "nf4" : "int8";
}

void run(const QuantizeFlags& flags) {
  if (flags.no_double_quant && flags.format != model::BnbFormat::kNf4) {
    throw OptionError("[quantize] --no-double-quant: found with --format int8; expected --format nf4");
  }
  const Stopwatch watch;
  model::QuantizeReport report;
  {
    ByteProgress progress("quantising");
    report = model::quantize_model(
        flags.model, flags.out, flags.format, !flags.no_double_quant, flags.threads,
        [&](Index done, Index total) { progress.update(done, total); }, flags.memory_budget);
  }
  if (flags.json) {
    print_json({{"out", flags.out.string()},
                {"format", format_word(flags.format)},
                {"double_quant", flags.format == model::BnbFormat::kNf4 && !flags.no_double_quant},
                {"matrices", report.matrices},
                {"bytes_before", report.bytes_before},
                {"bytes", report.bytes_after},
                {"relative_error", report.loss.relative()},
                {"worst_tensor", report.worst},
                {"worst_relative_error", report.worst_loss},
                {"seconds", watch.seconds()},
                {"peak_rss_bytes", peak_rss_bytes()}});
    return;
  }
  print_out(fmt::format("model: {} ({}, {} matrices, {} from {})\n", flags.out.string(),
                        format_word(flags.format), report.matrices, format_bytes(report.bytes_after),
                        format_bytes(report.bytes_before)));
  print_out(fmt::format("error: {:.4f} of the weights' norm; largest {:.4f}, {}\n", report.loss.relative(),
                        report.worst_loss, report.worst));
}

}  // namespace

Command make_quantize_command() {
  const auto flags = std::make_shared<QuantizeFlags>();
  Command command{.name = "quantize",
                  .purpose = "Writes a model in four or eight bits a weight, as bitsandbytes stores them.",
                  .notes = kQuantizeNotes};
  OptionTable& table = command.options;
  table.group("Model");
  table.add("model", "DIR", bind_path(flags->model), "Hugging Face folder of a model with plain weights")
      .required = true;
  table.group("Output");
  table.add("out", "DIR", bind_path(flags->out), "the folder to write; must be new or empty").required = true;
  table.add("format", "NAME",
            bind_choice<model::BnbFormat>(
                flags->format, {{"nf4", model::BnbFormat::kNf4}, {"int8", model::BnbFormat::kInt8}}),
            "nf4 or int8");
  table.add("no-double-quant", "", bind_switch(flags->no_double_quant),
            "keep NF4's scales in float32: half a bit a weight instead of an eighth");
  table.group("Computing");
  add_threads_option(table, flags->threads);
  add_piecewise_memory_option(table, flags->memory_budget);
  add_json_option(table, flags->json, "paths and figures as one JSON object");
  command.run = [flags](OptionTable&) { run(*flags); };
  return command;
}

}  // namespace lorry::cli
