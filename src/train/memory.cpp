#include "train/memory.hpp"

#include <algorithm>
#include <string>

#include "data/batcher.hpp"
#include "model/model_folder.hpp"
#include "model/tensor_list.hpp"
#include "model/workspace_size.hpp"
#include "optim/optimizer.hpp"
#include "train/evaluate.hpp"

namespace lorry::train {

namespace {

Index round_up(Index value, Index multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

/// Sizes of the model's matrices and vectors.
struct WeightSizes {
  Index elements = 0;      // of all
  Index matrices = 0;      // elements of matrices
  Index largest = 0;       // elements of one tensor
  Index used_bytes = 0;    // of matrices in their files, as far as training reads them
  Index vector_bytes = 0;  // float32
  Index int8_bytes = 0;    // of those that are held as int8 (model::use_int8)
  Index side = 0;          // the longest of matrices that are multiplied
  Index packed_side = 0;   // and of packed ones
};

/// reads_originals: of weights that are held as int8, too.
WeightSizes weight_sizes(const model::LoadedModel& model, nn::Int8Products int8, bool reads_originals) {
  const model::ModelConfig& config = model.config;
  WeightSizes sizes;
  const std::string embedding = config.names.root + config.names.embedding + ".weight";
  for (const model::TensorSpec& spec : model::list_tensors(config)) {
    const Index elements = spec.rows() * spec.cols();
    sizes.elements += elements;
    sizes.largest = std::max(sizes.largest, elements);
    if (spec.shape.size() == 1) {
      sizes.vector_bytes += elements * size_of(DType::kF32);
      continue;
    }
    sizes.matrices += elements;
    const WeightView view = model.weights.at(spec.name);
    Index rows = spec.rows();
    // Rows of no token are not read, unless the table is the head too.
    if (spec.name == embedding && !config.tie_word_embeddings)
      rows = std::min(rows, model.tokenizer->vocab_size());
    const bool copied = int8 != nn::Int8Products::kNone && model.weights.becomes_int8(spec);
    if (copied) sizes.int8_bytes += elements + spec.rows() * size_of(DType::kF32);
    if (!copied || reads_originals) sizes.used_bytes += view.row_range(0, rows).bytes();
    if (spec.kind == model::TensorKind::kLinear) sizes.side = std::max({sizes.side, view.rows, view.cols});
    if (view.is_packed() || copied) sizes.packed_side = std::max({sizes.packed_side, view.rows, view.cols});
  }
  return sizes;
}

/// What the operators keep between calls: compiled products, operands as their kernels want them
/// (Ops::product_bytes), the stacks of their threads, and what the heap keeps between blocks when batches
/// grow (measured: 8 to 17 MiB).
Index kernel_bytes(const ops::Ops& ops, const WeightSizes& sizes, Index rows, bool integers) {
  constexpr Index kKernels = Index{16} << 20;
  return kKernels +
         ops.product_bytes(
             {.rows = rows, .side = sizes.side, .packed_side = sizes.packed_side, .integers = integers});
}

/// What embedding touches of the mapped table: whole pages.
Index embedding_bytes(const model::LoadedModel& model, Index rows) {
  constexpr Index kPage = 4096;
  const WeightView table = model.decoder->embedding_table();
  const Index row = table.row_range(0, 1).bytes();
  return std::min(table.bytes(), rows * (row + kPage));
}

Index data_bytes(const data::Dataset* data) {
  if (data == nullptr || data->index) return 0;
  constexpr Index kTokenBytes = 4;
  return data->statistics.tokens * kTokenBytes +
         data->statistics.documents * static_cast<Index>(sizeof(data::Document));
}

/// Weights of the full method: they are made from the file before anything else is there.
Index full_weights(const WeightSizes& sizes, DType compute, DType stored, Index others) {
  constexpr Index kF32Bytes = 4;
  const Index copies = compute == DType::kF32 ? 0 : sizes.matrices * size_of(compute);
  const Index weights = sizes.elements * kF32Bytes + copies + sizes.vector_bytes;
  const Index loading = weights + sizes.used_bytes;  // gradients are there too, the others are not
  const Index saving = weights + sizes.largest * size_of(stored);
  return std::max(loading - others, saving);
}

}  // namespace

std::array<std::pair<std::string_view, Index>, 8> MemoryParts::list() const {
  return {{{"weights", weights},
           {"adapters", adapters},
           {"gradients", gradients},
           {"optimizer", optimizer},
           {"activations", activations},
           {"logits", logits},
           {"data", data},
           {"program", program}}};
}

Index MemoryParts::total() const {
  Index sum = 0;
  for (const auto& [name, bytes] : list()) sum += bytes;
  return sum;
}

Index MemoryParts::anonymous(Method method) const {
  return total() - (method == Method::kLora ? weights - int8_copies : 0);
}

LargestBatch largest_batch(const TrainOptions& options, const model::ModelConfig& config,
                           const data::Dataset* data) {
  const Index row_multiple = data::BatcherOptions().row_multiple;
  const Index longest = options.sequence_length(config.max_position_embeddings);
  LargestBatch batch{.rows = options.batch_size * longest, .targets = 0, .longest = longest};
  double share = 1;
  if (data != nullptr && data->statistics.tokens > 0) {
    const data::Statistics& all = data->statistics;
    batch.rows = std::min(batch.rows, all.tokens);
    const Index spared = options.share_prompts ? all.repeated : 0;
    share = static_cast<double>(all.targets) / static_cast<double>(all.tokens - spared);
  }
  batch.rows = round_up(batch.rows, row_multiple);
  batch.longest = std::min(batch.longest, batch.rows);
  batch.targets = static_cast<Index>(share * static_cast<double>(batch.rows));
  return batch;
}

MemoryParts predict_memory(const RunInputs& inputs, const RunSize& size, const TrainOptions& options,
                           Index resident, const std::optional<StreamedRun>& streamed) {
  constexpr Index kF32Bytes = 4;
  const model::LoadedModel& model = inputs.model;
  const data::Dataset* const data = inputs.data.statistics.tokens > 0 ? &inputs.data : nullptr;
  const bool evaluates = inputs.eval_data || !options.eval_data.empty();
  const WeightSizes sizes = weight_sizes(model, options.int8, options.xray_steps > 0);
  const LargestBatch batch = largest_batch(options, model.config, data);
  const DType compute = model.decoder->compute();
  const model::WorkspaceBytes workspace =
      model::workspace_bytes(model.config, {.rows = batch.rows,
                                            .targets = batch.targets,
                                            .positions = batch.longest,
                                            .compute = compute,
                                            .grad_checkpoint = options.grad_checkpoint || streamed,
                                            .batches = streamed ? options.grad_accumulation_steps : 1,
                                            .dropout = size.dropout,
                                            .lowest = size.lowest,
                                            .in_file = streamed ? streamed->block_inputs : 0,
                                            .evaluated = streamed && evaluates ? kEvaluatedTogether : 0,
                                            .ranks = size.ranks});
  MemoryParts parts{.activations = workspace.activations,
                    .logits = workspace.logits,
                    .data = data_bytes(data),
                    .scratch_file = workspace.in_file};
  parts.gradients = size.trainable * kF32Bytes;
  for (const Index elements : size.tensors) {
    parts.optimizer += optim::state_bytes(options.optimizer, elements);
  }
  // The data are resident already.
  constexpr Index kXray = Index{16} << 20;  // its decompositions (measured: 12 MiB)
  parts.program = resident - parts.data +
                  kernel_bytes(*model.ops, sizes, batch.rows, options.int8 != nn::Int8Products::kNone) +
                  (options.xray_steps > 0 ? kXray : 0);
  if (options.method == Method::kLora) {
    parts.weights = streamed ? streamed->weights + embedding_bytes(model, batch.rows)
                             : sizes.used_bytes + sizes.int8_bytes;
    parts.int8_copies = sizes.int8_bytes;
    parts.adapters = size.adapter_bytes();
  } else {
    const Index others = parts.optimizer + parts.activations + parts.logits;
    parts.weights = full_weights(sizes, compute, model::stored_dtype(model.folder), others);
  }
  return parts;
}

io::OrderedJson to_json(const MemoryParts& parts) {
  io::OrderedJson json;
  for (const auto& [name, bytes] : parts.list()) json[std::string(name)] = bytes;
  json["total"] = parts.total();
  if (parts.scratch_file > 0) json["scratch_file"] = parts.scratch_file;
  return json;
}

}  // namespace lorry::train
