#include "cli/shared_options.hpp"

#include <fmt/ranges.h>

#include <utility>

#include "cli/output.hpp"
#include "core/check.hpp"
#include "model/base_model.hpp"

namespace lorry::cli {

void add_model_options(OptionTable& table, std::filesystem::path& model, std::filesystem::path& adapter,
                       std::string adapter_help) {
  table.group("Model");
  Option& option = table.add(
      "model", "DIR", bind_path(model),
      "Hugging Face folder (config.json, safetensors, tokenizer.json) or GGUF file; with --adapter it "
      "may be left out where the model is in the place that the adapter names");
  option.required = true;
  option.instead = "adapter";
  table.add("adapter", "DIR", bind_path(adapter), std::move(adapter_help));
}

void use_base_model(std::filesystem::path& model, const std::filesystem::path& adapter) {
  if (!model.empty()) return;
  model = model::base_model_of(adapter);
  print_note(fmt::format("note: --model left out; using {}, which the adapter names", model.string()));
}

namespace {

void add_dtype_option(OptionTable& table, std::optional<DType>& dtype) {
  // The later words are those of other trainers.
  Binding binding = bind_choice<std::optional<DType>>(dtype, {{"f32", DType::kF32},
                                                              {"bf16", DType::kBF16},
                                                              {"fp32", DType::kF32},
                                                              {"float32", DType::kF32},
                                                              {"bfloat16", DType::kBF16},
                                                              {"auto", std::nullopt}});
  binding.expected = "one of f32, bf16";
  binding.words.resize(2);
  table
      .add("dtype", "TYPE", std::move(binding),
           "f32 or bf16: type of the matrix products (sums and adapters are float32 in both)")
      .default_text = "bf16 where the CPU multiplies it fast, else f32";
}

/// The words of --compute; T: Int8Products, or an optional one.
template <class T>
std::vector<std::pair<std::string_view, T>> compute_words() {
  std::vector<std::pair<std::string_view, T>> words;
  words.reserve(nn::kInt8Products.size() + 1);
  for (const nn::Int8Products products : nn::kInt8Products)
    words.emplace_back(nn::word_of(products), products);
  return words;
}

}  // namespace

void add_compute_options(OptionTable& table, ComputeFlags flags) {
  table.group("Computing");
  add_dtype_option(table, flags.dtype);
  table.add(
      "compute", "NAME", bind_choice(flags.int8, compute_words<nn::Int8Products>()),
      "float; int8: products of the blocks' frozen weights in integers, on a copy of these in 8 bits: "
      "less exact, and faster where the CPU has no products of bf16; or int8-forward: gradients in float");
  add_threads_option(table, flags.threads);
}

void add_compute_options(OptionTable& table, GenerationComputeFlags flags) {
  table.group("Computing");
  add_dtype_option(table, flags.dtype);
  auto words = compute_words<std::optional<nn::Int8Products>>();
  words.emplace(words.begin(), "auto", std::nullopt);
  table.add("compute", "NAME", bind_choice(flags.compute, words),
            "auto: tokens behind the prompt by products of integers where the file has them (GGUF's "
            "quantised types, int8), all else in float; float; or int8: prompts by products of integers "
            "too, on a copy of the blocks' weights in 8 bits");
  add_threads_option(table, flags.threads);
}

void add_memory_option(OptionTable& table, std::optional<Index>& budget) {
  table
      .add("memory-budget", "SIZE", bind_bytes(budget),
           "memory of the whole process, such as 12GiB: weights that it does not hold are read from the disk "
           "while the rest computes; the same results")
      .default_text = "all that the model takes";
}

void add_piecewise_memory_option(OptionTable& table, std::optional<Index>& budget) {
  table
      .add("memory-budget", "SIZE", bind_bytes(budget),
           "memory of the whole process, such as 512MiB, mapped pages counted: work is cut into smaller "
           "pieces, "
           "fewer at once; the same results")
      .default_text = "no limit";
}

void add_threads_option(OptionTable& table, Index& threads) {
  constexpr Index kMostThreads = 1024;
  Binding binding = bind_integer(threads, 1, kMostThreads);
  // 0 is no number that a user gives: a config file that is written leaves it out.
  binding.show = [&threads] { return threads == 0 ? std::string() : fmt::format("{}", threads); };
  table.add("threads", "N", std::move(binding), "CPU threads, 1 to 1024").default_text = "all";
}

void add_json_option(OptionTable& table, bool& json, std::string help) {
  table.group("Output");
  table.add("json", "", bind_switch(json), std::move(help)).in_config = false;
}

Binding bind_targets(model::TargetModules& to) {
  return {.read =
              [&to](const std::string& text) {
                if (text.empty()) return false;
                to = model::parse_target_modules(text);
                return true;
              },
          .show = [&to] { return model::format_target_modules(to); },
          .expected = "all-linear, module names or a regular expression"};
}

Binding bind_names(std::vector<std::string>& to) {
  return {.read =
              [&to](const std::string& text) {
                std::vector<std::string> names = model::split_names(text);
                if (names.empty() && !text.empty()) return false;
                to = std::move(names);
                return true;
              },
          .show = [&to] { return fmt::format("{}", fmt::join(to, ",")); },
          .expected = "names separated by commas"};
}

std::string_view dtype_word(DType dtype) {
  LORRY_CHECK(dtype == DType::kF32 || dtype == DType::kBF16);
  return dtype == DType::kF32 ? "f32" : "bf16";
}

}  // namespace lorry::cli
