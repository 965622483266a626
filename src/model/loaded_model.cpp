#include "model/loaded_model.hpp"

#include <algorithm>
#include <numeric>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/machine.hpp"
#include "core/option_error.hpp"
#include "io/gguf.hpp"
#include "io/json_file.hpp"
#include "model/adapter_files.hpp"
#include "model/families/families.hpp"

namespace lorry::model {

namespace {

/// After its weights or operators have changed; the one before must be gone.
void make_decoder(LoadedModel& model, DType compute) {
  model.decoder = std::make_unique<Decoder>(*model.ops, model.config, model.weights, compute);
  model.decoder->set_int8(model.int8);
  model.decoder->set_integer_decoding(model.integer_decoding);
  if (model.adapter) model.adapter->attach(*model.decoder);
}

}  // namespace

LoadedModel open_base(const std::filesystem::path& folder, const VocabularyChange& vocabulary,
                      std::optional<DType> dtype, Index threads) {
  LoadedModel model;
  if (!std::filesystem::is_directory(folder) && !io::is_gguf_path(folder)) {
    throw Error(
        "[load] {}: not a folder; expected a Hugging Face model folder with config.json, or a GGUF file",
        folder.string());
  }
  model.folder = folder;
  model.config = load_model_config(folder);
  model.weights = load_weights(folder, model.config);
  TokenizerFiles& files = model.tokenizer_files;
  files = open_tokenizer(folder, vocabulary.adapter);
  model.adapter_folder = vocabulary.adapter;
  if (!vocabulary.adapter.empty()) {
    const Index tokens = files.of_adapter ? files.tokenizer->vocab_size() : 0;
    fit_vocabulary(vocabulary.adapter, tokens, model.config, model.weights);
  }
  add_tokens(vocabulary.added_tokens, files, model.config, model.weights);
  model.tokenizer = files.tokenizer;
  if (model.tokenizer->vocab_size() > model.config.vocab_size) {
    throw Error(
        "[load] {}: the tokenizer has {} tokens; config.json says vocab_size {}; tokenizer of another model?",
        files.folder.string(), model.tokenizer->vocab_size(), model.config.vocab_size);
  }
  model.ops = ops::make_cpu_ops(threads);
  const DType compute = dtype.value_or(model.ops->fast_bf16() ? DType::kBF16 : DType::kF32);
  make_decoder(model, compute);
  return model;
}

LoadedModel open_model(const std::filesystem::path& folder, const std::filesystem::path& adapter,
                       std::optional<DType> dtype, Index threads) {
  LoadedModel model = open_base(folder, {.adapter = adapter}, dtype, threads);
  if (adapter.empty()) return model;
  model.adapter = std::make_unique<Adapter>(load_adapter(adapter, *model.decoder));
  model.adapter->attach(*model.decoder);
  return model;
}

void stream_weights(LoadedModel& model, std::optional<Index> budget) {
  if (!budget && !model.weights.stream()) return;
  const DType compute = model.decoder->compute();
  model.decoder.reset();
  if (budget) {
    model.weights.stream(model.config, *budget);
  } else {
    model.weights.stop_streaming();
  }
  model.weights.release_pages();
  make_decoder(model, compute);
}

void check_int8(nn::Int8Products products, const std::optional<Index>& memory_budget) {
  if (products == nn::Int8Products::kNone || !memory_budget) return;
  throw OptionError(
      "[load] --compute: found {} with --memory-budget; expected one of them: copies in int8 are held in "
      "memory",
      nn::word_of(products));
}

void use_int8(LoadedModel& model, nn::Int8Products products, Index threads) {
  if (products == model.int8) return;
  // First, since it may throw; the same copies serve all products.
  if (model.int8 == nn::Int8Products::kNone) model.weights.hold_int8(model.config, threads);
  const DType compute = model.decoder->compute();
  model.decoder.reset();
  if (products == nn::Int8Products::kNone) model.weights.drop_int8();
  model.int8 = products;
  make_decoder(model, compute);
}

void prepare_generation(LoadedModel& model, std::optional<nn::Int8Products> compute, Index threads) {
  use_int8(model, compute.value_or(nn::Int8Products::kNone), threads);  // first, since it may throw
  model.integer_decoding = compute != nn::Int8Products::kNone;
  model.decoder->set_integer_decoding(model.integer_decoding);
}

std::shared_ptr<const ops::OpTimes> time_operators(LoadedModel& model) {
  const DType compute = model.decoder->compute();
  model.decoder.reset();
  auto times = std::make_shared<ops::OpTimes>();
  model.ops = ops::make_timed_ops(std::move(model.ops), times);
  make_decoder(model, compute);
  return times;
}

void keep_within(LoadedModel& model, Index budget, Index others) {
  constexpr Index kKernels = Index{48} << 20;  // compiled products, panels, what the heap keeps
  const std::vector<Index> parts = model.weights.part_bytes(model.config);
  const Index all = std::accumulate(parts.begin(), parts.end(), Index{0});
  model.weights.release_pages();  // that checks have touched
  const Index beside = resident_bytes() + others + kKernels;
  if (beside + all <= budget) return;
  const Index least = model.weights.least_streamed(model.config);
  if (beside + least > budget) {
    throw OptionError(
        "[load] --memory-budget: found {}; expected at least {}: {} beside the weights, and two blocks of "
        "them",
        format_bytes(budget), format_bytes_up(beside + least), format_bytes(beside));
  }
  stream_weights(model, budget - beside);
}

ModelText text_of(const LoadedModel& model) {
  return make_text(model.folder, model.adapter_folder, model.tokenizer, model.config);
}

data::Encoder make_encoder(const LoadedModel& model, const data::DataOptions& options) {
  return make_encoder(text_of(model), options);
}

std::optional<std::int32_t> begin_token(const LoadedModel& model) {
  return text_of(model).bos;
}

std::vector<std::int32_t> stop_tokens(const LoadedModel& model) {
  std::vector<std::int32_t> ids = model.config.eos_token_ids;
  const std::filesystem::path path = model.folder / "generation_config.json";
  if (std::filesystem::exists(path)) {
    const io::Json json = io::read_json_file(path);
    for (const std::int32_t id : parse_token_ids(json, "eos_token_id", path.string())) ids.push_back(id);
  }
  if (const auto eos = model.tokenizer->eos_id()) ids.push_back(*eos);
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

}  // namespace lorry::model
