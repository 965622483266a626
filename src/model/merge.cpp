#include "model/merge.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <unordered_map>

#include "core/error.hpp"
#include "io/atomic_folder.hpp"
#include "io/gguf.hpp"
#include "io/json_file.hpp"
#include "io/safetensors_writer.hpp"
#include "io/tensor_folder.hpp"
#include "io/text_file.hpp"
#include "model/adapter_files.hpp"
#include "model/bnb_format.hpp"
#include "model/model_folder.hpp"
#include "model/vocabulary.hpp"
#include "ops/ops.hpp"

namespace lorry::model {

namespace {

constexpr Index kPanelBytes = Index{16} << 20;  // of W in F32, formed at once

/// One tensor that merging changes: W and the update to be added to it, or the values to stand in its place.
struct Target {
  WeightView weight = {};  // [O,I], or [I,O] for Conv1D
  const nn::LowRankUpdate* update = nullptr;
  bool inputs_by_outputs = false;
  std::shared_ptr<nn::LowRankUpdate> kept = {};  // what update may point to
  ConstMatrixView values = {};                   // F32: instead
  bool unpack = false;                           // a quantised W, to be stored as plain numbers
  Matrix owned = {};                             // what values may point to
};

using Targets = std::unordered_map<std::string, Target>;  // by the name that the file gives the tensor

/// A change of one of the two would be one of both.
void check_untied(const ModelConfig& config, const std::string& module, const io::TensorFolder& folder) {
  if (!config.tie_word_embeddings) return;
  const bool head = module == config.names.head;
  if (!head && module != config.names.root + config.names.embedding) return;
  throw Error(
      "[merge] {}: the adapter changes {}, which this model shares with its {}; expected an adapter without "
      "it, since merging would change the {} too",
      folder.path().string(), module, head ? "embedding" : "head", head ? "embedding" : "head");
}

/// bias + scale * the update's bias; `bias` is the model's own or a trained copy of it.
Target merged_bias(const nn::LowRankUpdate& update, ConstMatrixView bias, ops::Ops& ops) {
  Target target{.owned = Matrix(1, bias.cols)};
  ops.copy(bias, target.owned);
  ops.add(update.bias, update.scale, target.owned);
  target.values = target.owned.view();
  return target;
}

void add_copies(const ModelConfig& config, const Adapter& adapter, const io::TensorFolder& folder,
                Targets& targets) {
  for (const TrainedCopies::Entry& copy : adapter.copies().entries()) {
    const TensorSpec& spec = copy.spec.tensor;
    check_untied(config, spec.module(), folder);
    const io::TensorView* tensor = find_tensor(folder, config, spec.name);
    LORRY_CHECK(tensor != nullptr);
    targets[tensor->name] = {.values = copy.value.view()};
  }
}

/// An embedding's update as that of a map stored [V,D].
Target merged_embedding(const nn::EmbeddingUpdate& update, WeightView table, ops::Ops& ops) {
  auto map = std::make_shared<nn::LowRankUpdate>();
  map->rank = update.rank;
  map->scale = update.scale;
  map->a = Matrix(update.rank, table.rows);
  map->b_transposed = Matrix(update.rank, table.cols);
  ops.transpose(update.a_transposed, map->a);
  ops.copy(update.b_transposed, map->b_transposed);
  return {.weight = table, .update = map.get(), .inputs_by_outputs = true, .kept = map};
}

void add_embeddings(const Decoder& decoder, const Adapter& adapter, const io::TensorFolder& folder,
                    Targets& targets) {
  const ModelConfig& config = decoder.config();
  for (const auto& entry : adapter.embeddings()) {
    check_untied(config, entry->module, folder);
    const io::TensorView* tensor = find_tensor(folder, config, entry->module + ".weight");
    LORRY_CHECK(tensor != nullptr);
    const bool tokens = entry->module == config.names.root + config.names.embedding;
    targets[tensor->name] = merged_embedding(
        entry->update, tokens ? decoder.embedding_table() : decoder.position_table(), decoder.ops());
  }
}

/// The model's table with the rows in their places.
Target merged_tokens(const nn::TokenRows& rows, WeightView table, ops::Ops& ops) {
  Target target{.owned = Matrix(table.rows, table.cols)};
  ops.copy(table, target.owned);
  for (std::size_t i = 0; i < rows.ids().size(); ++i) {
    const float* const from = rows.value.row<float>(static_cast<Index>(i));
    std::copy_n(from, table.cols, target.owned.row<float>(rows.ids()[i]));
  }
  target.values = target.owned.view();
  return target;
}

void add_tokens(Decoder& decoder, const Adapter& adapter, const io::TensorFolder& folder, Targets& targets) {
  const ModelConfig& config = decoder.config();
  for (const auto& entry : adapter.tokens()) {
    if (!entry->head_follows) check_untied(config, entry->module, folder);
    const io::TensorView* tensor = find_tensor(folder, config, entry->module + ".weight");
    LORRY_CHECK(tensor != nullptr);
    const bool head = entry->module == config.names.head;
    targets[tensor->name] = merged_tokens(
        entry->rows,
        head ? decoder.find_linear(entry->module)->weights().readable() : decoder.embedding_table(),
        decoder.ops());
  }
}

/// Tables with another number of tokens, as far as nothing else changes them.
void add_tables(Decoder& decoder, const io::TensorFolder& folder, Targets& targets) {
  const ModelConfig& config = decoder.config();
  if (!config.other_vocabulary) return;
  const auto add = [&](const std::string& module, WeightView table) {
    const io::TensorView* tensor = find_tensor(folder, config, module + ".weight");
    LORRY_CHECK(tensor != nullptr);
    targets[tensor->name] = {.values = table.as_dense()};
  };
  add(config.names.root + config.names.embedding, decoder.embedding_table());
  if (!config.tie_word_embeddings) {
    add(config.names.head, decoder.find_linear(config.names.head)->weights().readable());
  }
}

Targets find_targets(Decoder& decoder, const Adapter& adapter, const io::TensorFolder& folder) {
  const ModelConfig& config = decoder.config();
  Targets targets;
  add_tables(decoder, folder, targets);
  add_copies(config, adapter, folder, targets);
  add_embeddings(decoder, adapter, folder, targets);
  add_tokens(decoder, adapter, folder, targets);
  for (const auto& entry : adapter.entries()) {
    check_untied(config, entry->module, folder);
    const nn::Linear* linear = decoder.find_linear(entry->module);
    const io::TensorView* tensor = find_tensor(folder, config, entry->module + ".weight");
    LORRY_CHECK(linear != nullptr && tensor != nullptr);
    targets[tensor->name] = {.weight = linear->weights().readable(),
                             .update = &entry->update,
                             .inputs_by_outputs = linear->weights().inputs_by_outputs};
    if (entry->update.bias.empty()) continue;
    const io::TensorView* bias = find_tensor(folder, config, entry->module + ".bias");
    if (bias == nullptr) {
      throw Error(
          "[merge] {}: the adapter adds a bias to {} (lora_bias), which has none; expected an adapter "
          "without one, since the merged model would have no place for it",
          folder.path().string(), entry->module);
    }
    const auto copy = targets.find(bias->name);
    const ConstMatrixView own = copy == targets.end() ? linear->weights().bias : copy->second.values;
    targets[bias->name] = merged_bias(entry->update, own, decoder.ops());
  }
  return targets;
}

/// Matrices that bitsandbytes quantised become plain ones, adapted or not.
void unpack_quantized(const ModelConfig& config, const Weights& weights, Targets& targets) {
  for (const TensorSpec& spec : list_tensors(config)) {
    const WeightView weight = weights.at(spec.name);
    if (!weight.is_packed()) continue;
    Target& target = targets[find_tensor(*weights.folder(), config, spec.name)->name];
    target.unpack = true;
    if (target.update == nullptr && target.values.empty()) target.weight = weight;
  }
}

/// What beside quantised matrices belongs to them: nothing that a plain model has.
bool is_part_of_quantized(const std::string& name, const Targets& targets) {
  const auto unpacked = [&](const std::string& matrix) {
    const auto target = targets.find(matrix);
    return target != targets.end() && target->second.unpack;
  };
  if (unpacked(name)) return false;
  if (const std::size_t weight = name.find(".weight."); weight != std::string::npos) {
    return unpacked(name.substr(0, weight) + ".weight");
  }
  const std::size_t dot = name.rfind('.');
  return dot != std::string::npos &&
         (name.ends_with(kRowScalesEnding) || name.ends_with(kWeightFormatEnding)) &&
         unpacked(name.substr(0, dot) + ".weight");
}

/// What goes through the writer, and how far.
struct Output {
  ops::Ops& ops;
  const std::function<void(Index, Index)>& progress;
  Index done = 0;   // bytes
  Index total = 0;  // bytes

  void write(io::SafetensorsWriter& writer, const std::string& name, std::span<const std::byte> bytes) {
    writer.write(name, bytes);
    done += static_cast<Index>(bytes.size());
    if (progress) progress(done, total);
  }
};

/// Throws Error where a number of what is to be written is not finite; as stored: a sum may be too large for
/// F16 alone.
void check_finite(ConstMatrixView rounded, const std::string& file, const std::string& name, ops::Ops& ops) {
  if (std::isfinite(ops.sum_of_squares(rounded))) return;
  throw Error(
      "[merge] {}: tensor \"{}\": found NaN or infinity in the sum; expected numbers that {} holds; wrong "
      "adapter, or did its training diverge?",
      file, name, name_of(rounded.dtype));
}

/// Appends values in another type, panel by panel.
void write_values(ConstMatrixView values, DType dtype, const std::string& file, const std::string& name,
                  io::SafetensorsWriter& writer, Output& output) {
  const Index rows_at_once =
      std::clamp<Index>(kPanelBytes / (values.cols * size_of(DType::kF32)), 1, values.rows);
  Matrix rounded;
  for (Index first = 0; first < values.rows; first += rows_at_once) {
    const Index n = std::min(rows_at_once, values.rows - first);
    rounded.reshape(n, values.cols, dtype);
    output.ops.copy(values.row_range(first, n), rounded);
    check_finite(rounded, file, name, output.ops);
    output.write(writer, name, {rounded.view().data, static_cast<std::size_t>(rounded.bytes())});
  }
}

/// With DoRA: the rows of `panel`, from `first` on of the stored sum, by magnitude / norm of their outputs.
void stretch(const Target& target, Index first, ops::Ops& ops, Matrix& panel) {
  const nn::LowRankUpdate& update = *target.update;
  if (update.magnitude.empty()) return;
  Matrix factor(1, update.magnitude.cols());
  for (Index j = 0; j < factor.cols(); ++j) {
    const float norm = update.norm.row<float>(0)[j];
    factor.row<float>(0)[j] = norm > 0.0F ? update.magnitude.row<float>(0)[j] / norm : 1.0F;
  }
  if (target.inputs_by_outputs) return ops.scale_columns(panel, factor, panel);
  for (Index i = 0; i < panel.rows(); ++i) {
    float* const row = panel.row<float>(i);
    const float of_row = factor.row<float>(0)[first + i];
    std::transform(row, row + panel.cols(), row, [&](float value) { return value * of_row; });
  }
}

/// Appends W + scale * B A, panel by panel of W's rows. Both layouts are scale * left^T right with left [R,
/// rows of W] and right [R, columns of W].
void write_sum(const Target& target, DType dtype, const std::string& file, const std::string& name,
               io::SafetensorsWriter& writer, Output& output) {
  const WeightView weight = target.weight;
  static const nn::LowRankUpdate kNone = {};  // of a matrix that is unpacked alone
  const nn::LowRankUpdate& update = target.update == nullptr ? kNone : *target.update;
  const ConstMatrixView left = target.inputs_by_outputs ? update.a : update.b_transposed;
  const ConstMatrixView right = target.inputs_by_outputs ? update.b_transposed : update.a;
  const Index rows_at_once =
      std::clamp<Index>(kPanelBytes / (weight.cols * size_of(DType::kF32)), 1, weight.rows);
  Matrix panel;    // [n, columns] F32
  Matrix h;        // [n, R] F32: left^T, scaled
  Matrix rounded;  // [n, columns] in the type of W
  for (Index first = 0; first < weight.rows; first += rows_at_once) {
    const Index n = std::min(rows_at_once, weight.rows - first);
    panel.reshape(n, weight.cols, DType::kF32);
    rounded.reshape(n, weight.cols, dtype);
    output.ops.copy(weight.row_range(first, n), panel);
    if (target.update != nullptr) {
      h.reshape(n, update.rank, DType::kF32);
      output.ops.transpose(left.col_range(first, n), h);
      for (float* value = h.row<float>(0); value != h.row<float>(0) + h.size(); ++value)
        *value *= update.scale;
      output.ops.low_rank_expand_add(h, right, panel);
      stretch(target, first, output.ops, panel);
    }
    output.ops.copy(panel, rounded);
    check_finite(rounded, file, name, output.ops);
    output.write(writer, name, {rounded.view().data, static_cast<std::size_t>(rounded.bytes())});
  }
}

/// The tensors of a shard as they will be: tables may have another number of tokens.
std::vector<io::TensorSpec> merged_specs(const io::SafetensorsFile& file, const Targets& targets) {
  std::vector<io::TensorSpec> specs;
  for (const io::TensorView& tensor : file.tensors()) {
    if (is_part_of_quantized(tensor.name, targets)) continue;
    specs.push_back({tensor.name, tensor.dtype, tensor.shape});
    const auto target = targets.find(tensor.name);
    if (target == targets.end() || tensor.shape.size() != 2) continue;
    const ConstMatrixView values = target->second.values;
    specs.back().shape[0] = values.empty() ? target->second.weight.rows : values.rows;
    specs.back().shape[1] = values.empty() ? target->second.weight.cols : values.cols;
    if (target->second.unpack) specs.back().dtype = DType::kBF16;
  }
  return specs;
}

Index merged_bytes(const io::TensorFolder& folder, const Targets& targets) {
  Index bytes = 0;
  for (const io::SafetensorsFile& file : folder.files()) {
    for (const io::TensorSpec& spec : merged_specs(file, targets)) {
      bytes +=
          std::accumulate(spec.shape.begin(), spec.shape.end(), size_of(spec.dtype), std::multiplies<>());
    }
  }
  return bytes;
}

/// One shard, with its tensors' names, types and metadata.
void write_file(const io::SafetensorsFile& file, const Targets& targets, const std::filesystem::path& to,
                Output& output) {
  auto metadata = file.metadata();
  metadata.emplace("format", "pt");
  io::SafetensorsWriter writer(to, merged_specs(file, targets), metadata);
  for (const io::TensorSpec& spec : writer.tensors()) {
    const io::TensorView& tensor = file.at(spec.name);
    const auto target = targets.find(spec.name);
    if (target != targets.end() && !target->second.values.empty()) {
      write_values(target->second.values, spec.dtype, file.path().string(), spec.name, writer, output);
    } else if (target != targets.end()) {
      write_sum(target->second, spec.dtype, file.path().string(), spec.name, writer, output);
    } else {
      output.write(writer, spec.name, tensor.bytes);
    }
    // Its pages count as ours until they are dropped, and a model may be larger than the memory.
    file.mapping()->advise(io::MappedFile::Advice::kDontNeed, tensor.bytes);
  }
  writer.finish();
}

/// The quantised matrices of a model go either into plain ones or nowhere.
void check_quantized(const std::filesystem::path& model, const ModelConfig& config, const Weights& weights,
                     bool dequantize) {
  const std::vector<TensorSpec> specs = list_tensors(config);
  const bool packed = std::any_of(specs.begin(), specs.end(),
                                  [&](const TensorSpec& spec) { return weights.at(spec.name).is_packed(); });
  if (packed == dequantize && !(packed && config.model_type == "gpt2")) return;
  if (!packed) {
    throw Error("[merge] {}: found plain weights; expected a quantised model with --dequantize",
                model.string());
  }
  if (!dequantize) {
    throw Error(
        "[merge] {}: found a quantised model; expected --dequantize, which writes it with plain bf16 weights",
        model.string());
  }
  throw Error(
      "[merge] {}: found a quantised GPT-2; expected another family, since its plain weights lie transposed",
      model.string());
}

void write_new_index(const io::TensorFolder& folder, const Targets& targets,
                     const std::filesystem::path& to) {
  std::map<std::string, std::string> file_of;
  for (const io::SafetensorsFile& file : folder.files()) {
    for (const io::TensorSpec& spec : merged_specs(file, targets))
      file_of[spec.name] = file.path().filename().string();
  }
  write_index(to, file_of, merged_bytes(folder, targets));
}

}  // namespace

void merge_adapter(ops::Ops& ops, const std::filesystem::path& model, const std::filesystem::path& adapter,
                   const std::filesystem::path& out, const std::function<void(Index, Index)>& progress,
                   bool dequantize) {
  if (io::is_gguf_path(model)) {
    throw Error("[merge] {}: found a GGUF file; expected a Hugging Face folder to merge into",
                model.string());
  }
  io::AtomicFolder result(out);
  ModelConfig config = load_model_config(model);
  Weights weights = load_weights(model, config);
  check_quantized(model, config, weights, dequantize);
  std::optional<TokenizerFiles> tokenizer;  // of the adapter
  if (std::filesystem::exists(adapter / kTokenizerFile)) tokenizer = open_tokenizer(model, adapter);
  fit_vocabulary(adapter, tokenizer ? tokenizer->tokenizer->vocab_size() : 0, config, weights);
  Decoder decoder(ops, config, weights, DType::kF32);
  Adapter updates = load_adapter(adapter, decoder, PartsAs::kStacked);
  if (updates.config().use_dora) {  // attached, it finds the norms
    updates.attach(decoder);
    Adapter::detach(decoder);
  }
  // The mapping that the weights' views point into: a second one would keep its pages when this one drops
  // them.
  const io::TensorFolder& tensors = *weights.folder();
  Targets targets = find_targets(decoder, updates, tensors);
  if (dequantize) unpack_quantized(config, weights, targets);
  Output output{.ops = ops, .progress = progress, .total = merged_bytes(tensors, targets)};
  for (const io::SafetensorsFile& file : tensors.files()) {
    write_file(file, targets, result.path() / file.path().filename(), output);
  }
  copy_side_files(model, result.path());
  copy_text_files(adapter, result.path());
  if (config.other_vocabulary || dequantize) {
    io::OrderedJson json = io::read_ordered_json_file(model / "config.json");
    json["vocab_size"] = config.vocab_size;
    json.erase("quantization_config");
    io::write_json_file(result.path() / "config.json", json);
  }
  const std::filesystem::path index = model / io::kModelIndexFile;
  if (tensors.files().size() > 1 || !std::filesystem::exists(model / io::kModelFile)) {
    if (dequantize) {
      write_new_index(tensors, targets, result.path());
    } else {
      io::write_text_file(result.path() / io::kModelIndexFile, io::read_text_file(index));
    }
  }
  result.commit();
}

}  // namespace lorry::model
