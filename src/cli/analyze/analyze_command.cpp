#include "cli/analyze/analyze_command.hpp"

namespace lorry::cli {

namespace {

constexpr const char* kAnalyzeNotes =
    R"(ADAPTER is the folder of a LoRA adapter, Lorry's or PEFT's, or of a fully tuned model with its base as --model: what
training changed, ΔW, is looked at one module at a time. Nothing is trained and no folder is changed.

Which one do I want?
  spectrum        my rank: was it too large, or too small?
  similarity      two ranks, two seeds, two checkpoints: did they learn the same?
  amplification   what training did to the model: new features, or known ones made louder?
  compress        a smaller adapter that does the same

Examples:
  lorry analyze spectrum my-adapter
  lorry analyze similarity rank-8 rank-64 --html similarity.html
  lorry analyze amplification my-adapter --model llama-3.2-1b --html amplification.html
  lorry analyze compress my-adapter --energy 0.95 --out smaller
)";

}  // namespace

Command make_analyze_command() {
  Command command{.name = "analyze",
                  .purpose = "Measures what training has changed, module by module.",
                  .notes = kAnalyzeNotes,
                  .has_yaml = false};
  command.commands = {make_spectrum_command(), make_similarity_command(), make_amplification_command(),
                      make_compress_command()};
  return command;
}

}  // namespace lorry::cli
