// fine_tune MODEL DATA.jsonl OUT "PROMPT": trains a LoRA adapter, then continues the prompt with it.
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iostream>
#include <lorry/core/idle_threads.hpp>
#include <lorry/data/document.hpp>
#include <lorry/generate/generator.hpp>
#include <lorry/model/loaded_model.hpp>
#include <lorry/train/run.hpp>
#include <string>
#include <vector>

namespace {

void fine_tune(const std::string& model, const std::string& data, const std::string& out) {
  lorry::train::TrainOptions options;
  options.model = model;
  options.data = std::filesystem::path(data);
  options.out = out;
  options.lora.r = 4;
  options.lr = 2e-3;
  options.steps = 20;
  options.max_seq_length = 256;

  lorry::train::RunObserver observer;
  observer.on_step = [](const lorry::train::StepReport& report) {
    if (report.step % 5 == 0) std::cerr << "step " << report.step << "  loss " << report.loss << '\n';
  };
  const lorry::train::RunResult result = lorry::train::run_training(options, observer);
  std::cerr << result.trainable_parameters << " parameters, " << result.tokens_per_second << " tokens/s\n";
}

void continue_prompt(const std::string& folder, const std::string& adapter, const std::string& prompt) {
  // No type given: bf16 where the CPU has it. Threads 0: all.
  const auto model = lorry::model::open_model(folder, adapter, {}, 0);
  const auto ids = lorry::data::encode_prompt(lorry::model::make_encoder(model), prompt);
  lorry::generate::GenerationOptions options;
  options.max_new_tokens = 40;
  options.stop_ids = lorry::model::stop_tokens(model);
  const auto result = lorry::generate::generate(*model.decoder, ids, options);
  std::cout << model.tokenizer->decode(result.ids) << '\n';
}

}  // namespace

int main(int argc, char** argv) {
  lorry::let_idle_threads_sleep(argv);
  if (argc != 5) {
    std::cerr << "usage: fine_tune MODEL DATA.jsonl OUT PROMPT\n";
    return EXIT_FAILURE;
  }
  try {
    fine_tune(argv[1], argv[2], argv[3]);
    continue_prompt(argv[1], argv[3], argv[4]);
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return EXIT_FAILURE;
  }
}
