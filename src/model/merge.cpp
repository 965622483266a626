#include "model/merge.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "io/atomic_folder.hpp"
#include "io/gguf.hpp"
#include "io/json_file.hpp"
#include "io/text_file.hpp"
#include "model/adapter_files.hpp"
#include "model/merge_writers.hpp"
#include "model/model_folder.hpp"
#include "model/model_text.hpp"
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

/// Throws Error where `out` is not of the model's kind, or a file that is there.
void check_paths(const std::filesystem::path& model, const std::filesystem::path& out,
                 const MergeOptions& options) {
  const bool to_file = out.extension() == ".gguf";
  if (!io::is_gguf_path(model)) {
    if (!to_file) return;
    throw Error("[merge] {}: found the name of a GGUF file; expected that of a folder, as {} is one",
                out.string(), model.string());
  }
  if (!to_file) {
    throw Error("[merge] {}: found no name of a GGUF file; expected one that ends with .gguf, as {} does",
                out.string(), model.string());
  }
  if (options.dequantize || options.quantize) {
    throw Error("[merge] {}: found a GGUF file with --{}; expected none, since its tensors keep their types",
                model.string(), options.dequantize ? "dequantize" : "format");
  }
  std::error_code ignored;
  if (!std::filesystem::exists(out, ignored)) return;
  throw Error("[merge] {}: found a file or folder of that name; expected a new one", out.string());
}

/// A model with an adapter, opened and found to go together.
class MergeBase {
 public:
  MergeBase(ops::Ops& ops, const std::filesystem::path& model, const std::filesystem::path& adapter,
            const MergeOptions& options)
      : ops_(ops), config_(load_model_config(model)), weights_(load_weights(model, config_)) {
    if (!io::is_gguf_path(model)) check_options(model, config_, weights_, options);
    std::optional<TokenizerFiles> tokenizer;  // of the adapter
    if (std::filesystem::exists(adapter / kTokenizerFile)) tokenizer = open_tokenizer(model, adapter);
    const Index tokens = config_.vocab_size;
    fit_vocabulary(adapter, tokenizer ? tokenizer->tokenizer->vocab_size() : 0, config_, weights_);
    if (io::is_gguf_path(model) && config_.other_vocabulary) {
      throw Error(
          "[merge] {}: the adapter goes with {} tokens; expected {}, since a GGUF file keeps its own "
          "tokenizer",
          model.string(), config_.vocab_size, tokens);
    }
    decoder_.emplace(ops, config_, weights_, DType::kF32);
    updates_.emplace(load_adapter(adapter, *decoder_, PartsAs::kStacked));
    if (updates_->config().use_dora) {  // attached, it finds the norms
      updates_->attach(*decoder_,
                       [&](const nn::Linear& map) { weights_.release_pages(map.weights().readable()); });
      Adapter::detach(*decoder_);
    }
    weights_.release_pages();
    targets_ = find_merge_targets(*decoder_, *updates_, model);
  }

  [[nodiscard]] const ModelConfig& config() const { return config_; }
  [[nodiscard]] const Weights& weights() const { return weights_; }
  [[nodiscard]] MergeInputs inputs(const std::function<void(Index, Index)>& progress,
                                   const MergeOptions& options) const {
    return {.ops = ops_,
            .config = config_,
            .weights = weights_,
            .targets = targets_,
            .progress = progress,
            .options = options};
  }

 private:
  ops::Ops& ops_;
  ModelConfig config_;
  Weights weights_;
  std::optional<Decoder> decoder_;
  std::optional<Adapter> updates_;
  MergeTargets targets_;
};

/// What the adapter's folder has in place of the model's; else empty.
std::string learnt_template(const std::filesystem::path& adapter) {
  const std::filesystem::path file = adapter / kChatTemplateFile;
  std::error_code ignored;
  return std::filesystem::exists(file, ignored) ? io::read_text_file(file) : "";
}

}  // namespace

MergeReport merge_adapter(ops::Ops& ops, const std::filesystem::path& model,
                          const std::filesystem::path& adapter, const std::filesystem::path& out,
                          const std::function<void(Index, Index)>& progress, const MergeOptions& options) {
  check_paths(model, out, options);
  if (io::is_gguf_path(model)) {
    const MergeBase base(ops, model, adapter, options);
    return write_merged_gguf(base.inputs(progress, options), model, learnt_template(adapter), out);
  }
  io::AtomicFolder result(out);
  const MergeBase base(ops, model, adapter, options);
  MergeReport report = write_merged_shards(base.inputs(progress, options), result.path());
  copy_side_files(model, result.path());
  copy_text_files(adapter, result.path());
  write_config(model, base.config(), base.weights(), options, result.path());
  result.commit();
  return report;
}

}  // namespace lorry::model
