// demo/make_corpus.cpp: writes the pretraining text: simple English stories, letters, notes, lists and
// questions from the grammar in demo/grammar. Document k depends on (seed, k) alone, so any part can be made
// again by itself.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "core/progress.hpp"
#include "core/rng.hpp"
#include "grammar.hpp"
#include "io/atomic_file.hpp"

namespace {

struct Options {
  std::string out;
  std::string grammar = LORRY_DEMO_DIR "/grammar";
  std::string rule = "document";
  lorry::Index documents = 1000;
  lorry::Index first = 0;
  std::uint64_t seed = 1;
};

void write_corpus(const Options& options) {
  const lorry::demo::Grammar grammar = lorry::demo::Grammar::load(options.grammar);
  const bool json = options.out.ends_with(".jsonl");
  lorry::io::AtomicFile out(options.out);
  lorry::Progress progress("documents", options.documents);
  lorry::Index bytes = 0;
  for (lorry::Index k = 0; k < options.documents; ++k) {
    lorry::Rng rng(options.seed, static_cast<std::uint64_t>(options.first + k));
    const std::string text = lorry::demo::Expansion(grammar, rng).document(options.rule);
    bytes += static_cast<lorry::Index>(text.size());
    if (json) {
      out.write(nlohmann::json{{"text", text}}.dump() + "\n");
    } else {
      out.write(text + "\n\n");
    }
    progress.update(k + 1);
  }
  out.commit();
  progress.finish();
  fmt::print("{}: {} documents, {} bytes of text\n", options.out, options.documents, bytes);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Writes a corpus of simple generated English for pretraining");
  app.add_option("--out", options.out, "File to write: .txt, or .jsonl with one {\"text\"} per line")
      ->required();
  app.add_option("--documents", options.documents, "How many documents [1000]")->check(CLI::PositiveNumber);
  app.add_option("--first", options.first,
                 "Number of the first document: held-out text has other numbers [0]");
  app.add_option("--seed", options.seed, "Seed of every draw [1]");
  app.add_option("--grammar", options.grammar, "Folder of *.grammar files [demo/grammar]");
  app.add_option("--rule", options.rule, "Rule to expand, to look at one kind of document [document]");
  CLI11_PARSE(app, argc, argv);
  try {
    write_corpus(options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
