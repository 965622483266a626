#include "model/merge.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "io/atomic_folder.hpp"
#include "io/gguf.hpp"
#include "io/json_file.hpp"
#include "model/adapter_files.hpp"
#include "model/merge_folder.hpp"
#include "model/model_folder.hpp"
#include "model/vocabulary.hpp"

namespace lorry::model {

namespace {

/// Options that do not go with the model.
void check_options(const std::filesystem::path& model, const ModelConfig& config, const Weights& weights,
                   const MergeOptions& options) {
  const std::vector<TensorSpec> specs = list_tensors(config);
  const bool packed = std::any_of(specs.begin(), specs.end(),
                                  [&](const TensorSpec& spec) { return weights.at(spec.name).is_packed(); });
  if (options.dequantize && options.quantize) {
    throw Error("[merge] --dequantize and --format: found both; expected one of them");
  }
  if (options.dequantize && !packed) {
    throw Error("[merge] {}: found plain weights; expected a quantised model with --dequantize",
                model.string());
  }
  if (options.quantize && packed) {
    throw Error(
        "[merge] {}: found a quantised model; expected one with plain weights with --format; without it the "
        "model keeps its own",
        model.string());
  }
}

/// config.json, as far as merging changes it.
void write_config(const std::filesystem::path& model, const ModelConfig& config, const Weights& weights,
                  const MergeOptions& options, const std::filesystem::path& to) {
  if (!config.other_vocabulary && !options.dequantize && !options.quantize) return;
  io::OrderedJson json = io::read_ordered_json_file(model / "config.json");
  json["vocab_size"] = config.vocab_size;
  if (options.dequantize) json.erase("quantization_config");
  if (options.quantize) {
    BnbOptions quantized = *options.quantize;
    const std::vector<TensorSpec> specs = list_tensors(config);
    const auto first = std::find_if(specs.begin(), specs.end(),
                                    [&](const TensorSpec& spec) { return is_quantizable(spec, config); });
    if (first != specs.end()) quantized.dtype = weights.at(first->name).as_dense().dtype;
    json["quantization_config"] = quantization_config(quantized);
  }
  io::write_json_file(to / "config.json", json);
}

}  // namespace

MergeReport merge_adapter(ops::Ops& ops, const std::filesystem::path& model,
                          const std::filesystem::path& adapter, const std::filesystem::path& out,
                          const std::function<void(Index, Index)>& progress, const MergeOptions& options) {
  if (io::is_gguf_path(model)) {
    throw Error("[merge] {}: found a GGUF file; expected a Hugging Face folder to merge into",
                model.string());
  }
  io::AtomicFolder result(out);
  ModelConfig config = load_model_config(model);
  Weights weights = load_weights(model, config);
  check_options(model, config, weights, options);
  std::optional<TokenizerFiles> tokenizer;  // of the adapter
  if (std::filesystem::exists(adapter / kTokenizerFile)) tokenizer = open_tokenizer(model, adapter);
  fit_vocabulary(adapter, tokenizer ? tokenizer->tokenizer->vocab_size() : 0, config, weights);
  Decoder decoder(ops, config, weights, DType::kF32);
  Adapter updates = load_adapter(adapter, decoder, PartsAs::kStacked);
  if (updates.config().use_dora) {  // attached, it finds the norms
    updates.attach(decoder);
    Adapter::detach(decoder);
    weights.release_pages();
  }
  const MergeTargets targets = find_merge_targets(decoder, updates, model);
  MergeReport report = write_merged_shards({.ops = ops,
                                            .config = config,
                                            .weights = weights,
                                            .targets = targets,
                                            .progress = progress,
                                            .options = options},
                                           result.path());
  copy_side_files(model, result.path());
  copy_text_files(adapter, result.path());
  write_config(model, config, weights, options, result.path());
  result.commit();
  return report;
}

}  // namespace lorry::model
