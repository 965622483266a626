#include "model/merge.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <unordered_map>

#include "core/error.hpp"
#include "io/atomic_folder.hpp"
#include "io/safetensors_writer.hpp"
#include "io/tensor_folder.hpp"
#include "io/text_file.hpp"
#include "model/adapter_files.hpp"
#include "model/model_folder.hpp"
#include "ops/ops.hpp"

namespace lorry::model {

namespace {

constexpr Index kPanelBytes = Index{16} << 20;  // of W in F32, formed at once

/// One adapted map: W and the update to be added to it.
struct Target {
  ConstMatrixView weight;  // [O,I], or [I,O] for Conv1D
  const nn::LowRankUpdate* update = nullptr;
  bool inputs_by_outputs = false;
};

using Targets = std::unordered_map<std::string, Target>;  // by the name that the file gives the tensor

Targets find_targets(Decoder& decoder, const Adapter& adapter, const io::TensorFolder& folder) {
  const ModelConfig& config = decoder.config();
  Targets targets;
  for (const auto& entry : adapter.entries()) {
    if (entry->module == config.names.head && config.tie_word_embeddings) {
      throw Error(
          "[merge] {}: the adapter changes {}, which this model shares with its embedding; expected an "
          "adapter "
          "without it, since merging would change the embedding too",
          folder.path().string(), entry->module);
    }
    const nn::Linear* linear = decoder.find_linear(entry->module);
    const io::TensorView* tensor = find_tensor(folder, config, entry->module + ".weight");
    LORRY_CHECK(linear != nullptr && tensor != nullptr);
    targets[tensor->name] = {linear->weights().matrix, &entry->update, linear->weights().inputs_by_outputs};
  }
  return targets;
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

/// Appends W + scale * B A, panel by panel of W's rows. Both layouts are scale * left^T right with left [R,
/// rows of W] and right [R, columns of W].
void write_sum(const Target& target, const std::string& file, const std::string& name,
               io::SafetensorsWriter& writer, Output& output) {
  const ConstMatrixView weight = target.weight;
  const nn::LowRankUpdate& update = *target.update;
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
    h.reshape(n, update.rank, DType::kF32);
    rounded.reshape(n, weight.cols, weight.dtype);
    output.ops.copy(weight.row_range(first, n), panel);
    output.ops.transpose(left.col_range(first, n), h);
    for (float* value = h.row<float>(0); value != h.row<float>(0) + h.size(); ++value) *value *= update.scale;
    output.ops.low_rank_expand_add(h, right, panel);
    output.ops.copy(panel, rounded);
    // As stored: a sum may be too large for F16 alone.
    if (!std::isfinite(output.ops.sum_of_squares(rounded))) {
      throw Error(
          "[merge] {}: tensor \"{}\": found NaN or infinity in the sum; expected numbers that {} holds; "
          "wrong "
          "adapter, or did its training diverge?",
          file, name, name_of(weight.dtype));
    }
    output.write(writer, name, {rounded.view().data, static_cast<std::size_t>(rounded.bytes())});
  }
}

/// One shard, with its tensors' names, types and metadata.
void write_file(const io::SafetensorsFile& file, const Targets& targets, const std::filesystem::path& to,
                Output& output) {
  std::vector<io::TensorSpec> specs;
  for (const io::TensorView& tensor : file.tensors())
    specs.push_back({tensor.name, tensor.dtype, tensor.shape});
  auto metadata = file.metadata();
  metadata.emplace("format", "pt");
  io::SafetensorsWriter writer(to, std::move(specs), metadata);
  for (const io::TensorSpec& spec : writer.tensors()) {
    const io::TensorView& tensor = file.at(spec.name);
    const auto target = targets.find(spec.name);
    if (target != targets.end()) {
      write_sum(target->second, file.path().string(), spec.name, writer, output);
    } else {
      output.write(writer, spec.name, tensor.bytes);
    }
    // Its pages count as ours until they are dropped, and a model may be larger than the memory.
    file.mapping()->advise(io::MappedFile::Advice::kDontNeed, tensor.bytes);
  }
  writer.finish();
}

}  // namespace

void merge_adapter(ops::Ops& ops, const std::filesystem::path& model, const std::filesystem::path& adapter,
                   const std::filesystem::path& out, const std::function<void(Index, Index)>& progress) {
  io::AtomicFolder result(out);
  const ModelConfig config = load_model_config(model);
  const Weights weights = load_weights(model, config);
  Decoder decoder(ops, config, weights, DType::kF32);
  const Adapter updates = load_adapter(adapter, decoder, PartsAs::kStacked);
  // The mapping that the weights' views point into: a second one would keep its pages when this one drops
  // them.
  const io::TensorFolder& tensors = *weights.folder();
  const Targets targets = find_targets(decoder, updates, tensors);
  Output output{.ops = ops, .progress = progress, .total = tensors.total_bytes()};
  for (const io::SafetensorsFile& file : tensors.files()) {
    write_file(file, targets, result.path() / file.path().filename(), output);
  }
  copy_side_files(model, result.path());
  const std::filesystem::path index = model / io::kModelIndexFile;
  if (tensors.files().size() > 1 || !std::filesystem::exists(model / io::kModelFile)) {
    io::write_text_file(result.path() / io::kModelIndexFile, io::read_text_file(index));
  }
  result.commit();
}

}  // namespace lorry::model
