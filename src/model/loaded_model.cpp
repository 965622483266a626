#include "model/loaded_model.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "io/json_file.hpp"
#include "model/adapter_files.hpp"
#include "model/families/families.hpp"

namespace lorry::model {

namespace {

/// What the tokenizer says, else the first id of the config's field.
std::optional<std::int32_t> choose_token(const LoadedModel& model, std::optional<std::int32_t> from_tokenizer,
                                         const std::vector<std::int32_t>& from_config,
                                         std::string_view field) {
  if (from_tokenizer) return from_tokenizer;
  if (from_config.empty()) return std::nullopt;
  if (from_config.front() >= model.config.vocab_size) {
    throw Error("[load] {}: field \"{}\": found {}; expected below vocab_size ({})",
                (model.folder / "config.json").string(), field, from_config.front(), model.config.vocab_size);
  }
  return from_config.front();
}

}  // namespace

LoadedModel open_model(const std::filesystem::path& folder, const std::filesystem::path& adapter,
                       std::optional<DType> dtype, Index threads) {
  LoadedModel model;
  if (!std::filesystem::is_directory(folder)) {
    throw Error("[load] {}: not a folder; expected a Hugging Face model folder with config.json",
                folder.string());
  }
  model.folder = folder;
  model.config = load_model_config(folder);
  model.weights = load_weights(folder, model.config);
  model.tokenizer = std::make_shared<const text::Tokenizer>(text::Tokenizer::load(folder));
  if (model.tokenizer->vocab_size() > model.config.vocab_size) {
    throw Error(
        "[load] {}: the tokenizer has {} tokens; config.json says vocab_size {}; tokenizer of another model?",
        folder.string(), model.tokenizer->vocab_size(), model.config.vocab_size);
  }
  model.ops = ops::make_cpu_ops(threads);
  const DType compute = dtype.value_or(model.ops->fast_bf16() ? DType::kBF16 : DType::kF32);
  model.decoder = std::make_unique<Decoder>(*model.ops, model.config, model.weights, compute);
  if (!adapter.empty()) {
    model.adapter = std::make_unique<Adapter>(load_adapter(adapter, *model.decoder));
    model.adapter->attach(*model.decoder);
  }
  return model;
}

data::Encoder make_encoder(const LoadedModel& model) {
  return {
      .encode = [tokenizer = model.tokenizer](
                    std::string_view text,
                    bool special_tokens) { return tokenizer->encode(text, special_tokens); },
      .eos_id = choose_token(model, model.tokenizer->eos_id(), model.config.eos_token_ids, "eos_token_id")};
}

std::optional<std::int32_t> begin_token(const LoadedModel& model) {
  return choose_token(model, model.tokenizer->bos_id(), model.config.bos_token_ids, "bos_token_id");
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
