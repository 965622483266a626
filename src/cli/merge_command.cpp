// `lorry merge`: a base model and an adapter as one plain model folder.
#include <fmt/format.h>

#include <memory>

#include "cli/byte_progress.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/shared_options.hpp"
#include "model/merge.hpp"
#include "ops/ops.hpp"

namespace lorry::cli {

namespace {

constexpr const char* kMergeNotes =
    R"(Writes W + (alpha / rank) B A for every adapted weight, in the type it has, and copies everything else. The result
is a plain Hugging Face folder. Works tensor by tensor, so models larger than the memory are fine.

Example:
  lorry merge --model llama-3.2-1b --adapter my-adapter --out merged
)";

struct MergeFlags {
  std::filesystem::path model;
  std::filesystem::path adapter;
  std::filesystem::path out;
  bool dequantize = false;
  Index threads = 0;
  bool json = false;
};

void run(MergeFlags& flags) {
  use_base_model(flags.model, flags.adapter);
  const auto ops = ops::make_cpu_ops(flags.threads);
  const Stopwatch watch;
  Index bytes = 0;
  {
    ByteProgress progress("merging");
    const auto report = [&](Index done, Index total) {
      bytes = done;
      progress.update(done, total);
    };
    model::merge_adapter(*ops, flags.model, flags.adapter, flags.out, report, flags.dequantize);
  }
  if (flags.json) {
    print_json({{"out", flags.out.string()},
                {"bytes", bytes},
                {"seconds", watch.seconds()},
                {"peak_rss_bytes", peak_rss_bytes()}});
  } else {
    print_out(fmt::format("model: {}\n", flags.out.string()));
  }
}

}  // namespace

Command make_merge_command() {
  const auto flags = std::make_shared<MergeFlags>();
  Command command{.name = "merge",
                  .purpose = "Adds an adapter to the weights and writes a plain model folder.",
                  .notes = kMergeNotes};
  OptionTable& table = command.options;
  add_model_options(table, flags->model, flags->adapter, "the PEFT adapter to add");
  table.find("adapter")->required = true;
  table.group("Output");
  table.add("out", "DIR", bind_path(flags->out), "the folder to write; must be new or empty").required = true;
  table.add("dequantize", "", bind_switch(flags->dequantize),
            "of a quantised model: write plain bf16 weights");
  table.group("Computing");
  add_threads_option(table, flags->threads);
  add_json_option(table, flags->json, "paths and figures as one JSON object");
  command.run = [flags](OptionTable&) { run(*flags); };
  return command;
}

}  // namespace lorry::cli
