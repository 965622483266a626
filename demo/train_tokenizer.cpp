// demo/train_tokenizer.cpp: makes the embedded model's tokenizer, a byte-level BPE of 4096 tokens, from the
// corpus.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "core/error.hpp"
#include "io/text_file.hpp"
#include "text/bpe_trainer.hpp"

namespace {

struct Options {
  std::string corpus;
  std::string out;
  lorry::text::BpeTrainer::Config config = {
      .vocab_size = 4096,
      .special_tokens = {"<s>", "</s>"},
      .bos_token = "<s>",
      .eos_token = "</s>",
      // the simpler cut lets words be one token with and without a quote
      .pattern = lorry::text::WordPattern::kGpt2};
};

void train(const Options& options) {
  std::ifstream in(options.corpus, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  if (!in) throw lorry::Error("[train_tokenizer] {}: cannot be read", options.corpus);
  lorry::text::BpeTrainer trainer(options.config);
  trainer.add(text.view());
  std::filesystem::create_directories(options.out);
  const std::filesystem::path folder = options.out;
  lorry::io::write_text_file(folder / "tokenizer.json", trainer.tokenizer_json());
  lorry::io::write_text_file(folder / "tokenizer_config.json", trainer.tokenizer_config_json());
  fmt::print("{}: tokenizer of at most {} tokens\n", options.out, options.config.vocab_size);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Trains a byte-level BPE tokenizer on a text file");
  app.add_option("--corpus", options.corpus, "Text, as make_corpus wrote it (.txt)")->required();
  app.add_option("--out", options.out, "Folder for tokenizer.json and tokenizer_config.json")->required();
  app.add_option("--vocab-size", options.config.vocab_size, "Tokens in all [4096]")
      ->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  try {
    train(options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
