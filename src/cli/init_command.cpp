// `lorry init`: a model folder with random weights.
#include <memory>

#include "cli/byte_progress.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/shared_options.hpp"
#include "core/error.hpp"
#include "core/option_error.hpp"
#include "io/atomic_folder.hpp"
#include "io/json_fields.hpp"
#include "io/tensor_folder.hpp"
#include "io/text_file.hpp"
#include "model/bnb_format.hpp"
#include "model/initialize.hpp"
#include "model/shapes.hpp"
#include "model/tensor_list.hpp"
#include "text/tokenizer.hpp"

namespace lorry::cli {

namespace {

constexpr const char* kTokenizerFile = "tokenizer.json";
constexpr const char* kTokenizerConfigFile = "tokenizer_config.json";
constexpr double kDefaultDeviation = 0.02;  // transformers' initializer_range

constexpr const char* kInitNotes =
    R"(Writes config.json, model.safetensors and, if given, the tokenizer: a Hugging Face folder, the start of pretraining
(lorry train --method full) and what benchmarks run on. Matrices are drawn from N(0, initializer_range^2), which is a
field of config.json (0.02 if absent). --format nf4 draws the linear maps of the blocks as 4-bit codes, as bitsandbytes
stores them: a model of any size in little memory.

Examples:
  lorry init --shape llama-1.1b --out random-1.1b
  lorry init --shape llama-65b --format nf4 --out random-65b
  lorry init --config config.json --tokenizer tokenizer.json --out start --dtype f32 --seed 1
)";

enum class InitFormat { kDense, kNf4 };

struct InitFlags {
  std::filesystem::path config;
  std::string shape;
  std::filesystem::path out;
  std::filesystem::path tokenizer;
  DType dtype = DType::kBF16;
  InitFormat format = InitFormat::kDense;
  std::uint64_t seed = 0;
  bool json = false;
};

std::string_view init_format_word(InitFormat format) {
  return format == InitFormat::kNf4 ? "nf4" : "dense";
}

/// What the new folder is made from.
struct Plan {
  io::Json json;  // of the new config.json
  model::ModelConfig config;
  float deviation = 0;
};

io::Json read_config_json(const InitFlags& flags) {
  if (flags.config.empty() == flags.shape.empty()) {
    throw OptionError("[init] --config, --shape: found {}; expected one of them",
                      flags.shape.empty() ? "neither" : "both");
  }
  if (!flags.shape.empty()) return model::shape_config(flags.shape);
  const bool folder = std::filesystem::is_directory(flags.config);
  return io::read_json_file(folder ? flags.config / "config.json" : flags.config);
}

/// Writes config.json too: the config is read back from there, so that what init accepts is what loads.
Plan make_plan(const InitFlags& flags, const std::filesystem::path& folder) {
  Plan plan{.json = read_config_json(flags), .config = {}};
  const std::string source = flags.shape.empty() ? flags.config.string() : flags.shape;
  if (!flags.config.empty()) model::load_model_config(flags.config);  // its errors name that file
  plan.json.erase("quantization_config");
  if (flags.format == InitFormat::kNf4) {
    plan.json["quantization_config"] = model::quantization_config({.dtype = flags.dtype});
  }
  const char* dtype = flags.dtype == DType::kF32 ? "float32" : "bfloat16";
  plan.json["dtype"] = dtype;        // transformers 5
  plan.json["torch_dtype"] = dtype;  // transformers 4
  plan.deviation =
      static_cast<float>(io::find_number(plan.json, "initializer_range", source).value_or(kDefaultDeviation));
  constexpr float kMostDeviation = 1e6F;  // draws stay finite in every type
  if (!(plan.deviation > 0 && plan.deviation <= kMostDeviation)) {
    throw Error("[init] {}: initializer_range: found {}; expected a number above 0, at most {}", source,
                plan.deviation, kMostDeviation);
  }
  io::write_json_file(folder / "config.json", plan.json);
  plan.config = model::load_model_config(folder);
  return plan;
}

/// Names BOS and EOS as the config numbers them, for a tokenizer.json that comes without its config.
io::OrderedJson minimal_tokenizer_config(const text::Tokenizer& tokenizer, const model::ModelConfig& config) {
  io::OrderedJson json = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                          {"model_max_length", config.max_position_embeddings}};
  const auto name = [&](const char* field, const std::vector<std::int32_t>& ids) {
    if (ids.empty()) return;
    if (const auto token = tokenizer.token(ids.front())) json[field] = *token;
  };
  name("bos_token", config.bos_token_ids);
  name("eos_token", config.eos_token_ids);
  return json;
}

void copy_tokenizer(const std::filesystem::path& file_or_folder, const model::ModelConfig& config,
                    const std::filesystem::path& to) {
  const bool folder = std::filesystem::is_directory(file_or_folder);
  const std::filesystem::path file = folder ? file_or_folder / kTokenizerFile : file_or_folder;
  const text::Tokenizer tokenizer = text::Tokenizer::load(file);
  if (tokenizer.vocab_size() > config.vocab_size) {
    throw Error("[init] {}: found {} tokens; expected at most vocab_size, {}", file.string(),
                tokenizer.vocab_size(), config.vocab_size);
  }
  io::write_text_file(to / kTokenizerFile, io::read_text_file(file));
  const std::filesystem::path beside = file.parent_path() / kTokenizerConfigFile;
  if (std::filesystem::exists(beside)) {
    io::write_text_file(to / kTokenizerConfigFile, io::read_text_file(beside));
  } else {
    io::write_json_file(to / kTokenizerConfigFile, minimal_tokenizer_config(tokenizer, config));
  }
}

void run(const InitFlags& flags) {
  io::AtomicFolder folder(flags.out);
  const Plan plan = make_plan(flags, folder.path());
  if (!flags.tokenizer.empty()) copy_tokenizer(flags.tokenizer, plan.config, folder.path());
  {
    ByteProgress progress("writing");
    const auto report = [&](Index done, Index total) { progress.update(done, total); };
    if (flags.format == InitFormat::kNf4) {
      model::write_random_nf4(folder.path(), plan.config, plan.deviation, flags.dtype, flags.seed, report);
    } else {
      model::write_random_weights(folder.path() / io::kModelFile, plan.config, plan.deviation, flags.dtype,
                                  flags.seed, report);
    }
  }
  folder.commit();
  const Index parameters = model::count_weights(plan.config);
  if (flags.json) {
    print_json({{"out", flags.out.string()},
                {"parameters", parameters},
                {"dtype", dtype_word(flags.dtype)},
                {"format", init_format_word(flags.format)}});
  } else {
    print_out(fmt::format("model: {} ({}, {} parameters, {})\n", flags.out.string(), plan.config.model_type,
                          parameters,
                          flags.format == InitFormat::kNf4 ? "nf4 and " + std::string(dtype_word(flags.dtype))
                                                           : std::string(dtype_word(flags.dtype))));
  }
}

}  // namespace

Command make_init_command() {
  const auto flags = std::make_shared<InitFlags>();
  Command command{.name = "init",
                  .purpose = "Writes a model with random weights.",
                  .notes = kInitNotes,
                  .has_yaml = false};
  OptionTable& table = command.options;
  table.group("Model");
  table.add("config", "FILE", bind_path(flags->config), "config.json of the model to make");
  table.add("shape", "NAME", bind_text(flags->shape),
            "or a built-in shape: llama-1.1b, llama-7b, llama-13b, llama-30b or llama-65b");
  table.add("tokenizer", "FILE", bind_path(flags->tokenizer),
            "tokenizer.json (or its folder) to put in; tokenizer_config.json beside it comes along");
  table.add("dtype", "TYPE", bind_choice<DType>(flags->dtype, {{"bf16", DType::kBF16}, {"f32", DType::kF32}}),
            "bf16 or f32: type of the weights in the file");
  table.add(
      "format", "NAME",
      bind_choice<InitFormat>(flags->format, {{"dense", InitFormat::kDense}, {"nf4", InitFormat::kNf4}}),
      "dense, or nf4: the linear maps of the blocks in four bits; the rest as --dtype says");
  table.add("seed", "N", bind_seed(flags->seed), "fixes the weights");
  table.group("Output");
  table.add("out", "DIR", bind_path(flags->out), "the folder to write; must be new or empty").required = true;
  add_json_option(table, flags->json, "paths and figures as one JSON object");
  command.run = [flags](OptionTable&) { run(*flags); };
  return command;
}

}  // namespace lorry::cli
