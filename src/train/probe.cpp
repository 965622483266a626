#include "train/probe.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/clock.hpp"
#include "model/full_parameters.hpp"
#include "optim/clip.hpp"
#include "optim/optimizer.hpp"

namespace lorry::train {

namespace {

/// The best of `repetitions` calls, after one that is not counted.
double best_seconds(int repetitions, const std::function<void()>& work) {
  work();
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < repetitions; ++i) {
    const Stopwatch watch;
    work();
    best = std::min(best, watch.seconds());
  }
  return best;
}

/// Small numbers of both signs, in any type: what a product takes depends on its values hardly.
void fill(ops::Ops& ops, MatrixView to) {
  constexpr Index kChunk = 64;
  constexpr float kSize = 0.02F;
  Matrix values(std::min(kChunk, to.rows), to.cols);
  for (Index i = 0; i < values.size(); ++i) {
    values.row<float>(0)[i] = kSize * (static_cast<float>(i * 37 % 101) / 50.0F - 1.0F);
  }
  for (Index row = 0; row < to.rows; row += kChunk) {
    const Index rows = std::min(kChunk, to.rows - row);
    ops.copy(values.view().row_range(0, rows), to.row_range(row, rows));
  }
}

/// A matrix of zeros in the blocks of `like`: unpacking costs what it costs, whatever comes out.
void add_packed(const std::string& name, const PackedMatrix& like, Index rows, Index cols,
                model::Weights& weights) {
  PackedMatrix packed = like;
  packed.rows = rows;
  packed.cols = cols;
  const auto room = [&](Index bytes) {
    Matrix memory(1, bytes, DType::kU8);
    const std::byte* const data = memory.view().data;
    weights.keep(std::move(memory));
    return data;
  };
  const Index bytes = scale_count(packed) * facts_of(like.format).bytes;
  packed.codes = {room(bytes), static_cast<std::size_t>(bytes)};
  for_each_scales(packed, [&]<class T>(const T*& first, Index count) {
    first = reinterpret_cast<const T*>(room(count * static_cast<Index>(sizeof(T))));
  });
  weights.add(name, packed);
}

/// Weights of the config, matrices in the type that the model's files have.
model::Weights make_weights(ops::Ops& ops, const model::ModelConfig& config,
                            const model::LoadedModel& model) {
  model::Weights weights;
  for (const model::TensorSpec& spec : model::list_tensors(config)) {
    const WeightView like = model.weights.at(spec.name);
    if (like.is_packed()) {
      add_packed(spec.name, *like.packed, spec.rows(), spec.cols(), weights);
      continue;
    }
    Matrix values(spec.rows(), spec.cols(), like.dense.dtype);
    if (spec.kind == model::TensorKind::kNormWeight) {
      std::fill_n(values.row<float>(0), values.size(), 1.0F);
    } else {
      fill(ops, values);
    }
    weights.add(spec.name, values.view());
    weights.keep(std::move(values));
  }
  return weights;
}

data::Batch make_batch(const ProbeBatch& shape, Index vocabulary) {
  data::Batch batch;
  batch.offsets.push_back(0);
  for (Index row = 0; row < shape.rows; ++row) {
    const Index position = row % shape.length;
    const bool last = position + 1 == shape.length || row + 1 == shape.rows;
    // The last tokens of a document are its completion; the last row has nothing to predict.
    const bool learns =
        !last && static_cast<double>(position + 2) > (1 - shape.share) * static_cast<double>(shape.length);
    batch.ids.push_back(static_cast<std::int32_t>(row * 7 % vocabulary));
    batch.targets.push_back(learns ? static_cast<std::int32_t>(row * 11 % vocabulary) : -1);
    batch.positions.push_back(static_cast<std::int32_t>(position));
    if (learns) ++batch.target_count;
    if (last) batch.offsets.push_back(row + 1);
  }
  batch.token_count = shape.rows;
  return batch;
}

}  // namespace

MachineRates measure_rates(const model::LoadedModel& model, const TrainOptions& options) {
  constexpr int kRepetitions = 5;
  ops::Ops& ops = *model.ops;
  const model::ModelConfig& config = model.config;
  const DType compute = model.decoder->compute();
  MachineRates rates;

  const Index rows = 512;
  Matrix x(rows, config.hidden_size, compute);
  Matrix w(config.intermediate_size, config.hidden_size, compute);
  Matrix y(rows, config.intermediate_size, compute);
  fill(ops, x);
  fill(ops, w);
  const double product =
      best_seconds(kRepetitions, [&] { ops.matmul(x, w, y, {.transpose_b = true, .accumulate = false}); });
  rates.flops = 2.0 * static_cast<double>(rows * w.size()) / product;

  const Index side = 2048;  // 16 MiB each: the caches of one core hold neither
  Matrix a(side, side);
  Matrix b(side, side);
  fill(ops, a);
  rates.bytes =
      3.0 * static_cast<double>(a.bytes()) / best_seconds(kRepetitions, [&] { ops.add(a, 1.0F, b); });

  Matrix gradient(side, side);
  fill(ops, gradient);
  Matrix copy(side, side, compute);
  optim::Optimizer optimizer(ops, {{.name = "probe", .value = a, .gradient = gradient}}, options.optimizer);
  const bool copies = options.method == Method::kFull && compute != DType::kF32;
  const double update = best_seconds(kRepetitions, [&] {
    fill(ops, gradient.view().row_range(0, 1));
    static_cast<void>(optim::global_norm(ops, optimizer.parameters()));
    optimizer.step(1e-6);
    if (copies) ops.copy(a, copy);
    gradient.fill_zero();
  });
  rates.update_seconds = update / static_cast<double>(a.size());
  return rates;
}

struct StepProbe::State {
  ops::Ops& ops;
  model::ModelConfig config;
  TrainOptions options;
  model::Weights weights = {};
  std::unique_ptr<model::FullParameters> full = {};
  std::unique_ptr<model::Decoder> decoder = {};
  std::unique_ptr<model::Adapter> adapter = {};
  model::Decoder::Workspace workspace = {};

  void add_adapter(const RunSize& size, Index blocks_of_model);
  void add_copies(const RunSize& size, Index blocks_of_model);
};

/// Updates of the topmost blocks' ranks.
void StepProbe::State::add_adapter(const RunSize& size, Index blocks_of_model) {
  const std::vector<nn::Linear*> linears = decoder->linears();
  const Index maps = (std::ssize(linears) - 1) / config.num_hidden_layers;
  const Index skipped = (blocks_of_model - config.num_hidden_layers) * maps;
  model::PeftConfig peft = options.lora;
  peft.use_dora = size.dora;
  adapter = std::make_unique<model::Adapter>(std::move(peft));
  for (Index i = 0; i < std::ssize(linears); ++i) {
    const Index rank = size.ranks[static_cast<std::size_t>(skipped + i)];
    if (rank == 0) continue;
    const nn::Linear& linear = *linears[static_cast<std::size_t>(i)];
    Matrix a(rank, linear.inputs());
    Matrix b(rank, linear.outputs());
    fill(ops, a);
    fill(ops, b);
    adapter->add(linear.name(), std::move(a), std::move(b), 1.0F);
    if (!size.dora) continue;
    Matrix& magnitude = adapter->entries().back()->update.magnitude;
    magnitude = Matrix(1, linear.outputs());
    std::fill_n(magnitude.row<float>(0), magnitude.size(), 1.0F);
  }
  for (const EmbeddingRank& embedding : size.embeddings) {
    const bool tokens = embedding.module == config.names.root + config.names.embedding;
    Matrix a((tokens ? decoder->embedding_table() : decoder->position_table()).rows, embedding.rank);
    Matrix b(embedding.rank, config.hidden_size);
    fill(ops, a);
    fill(ops, b);
    adapter->add_embedding(embedding.module, std::move(a), std::move(b), 1.0F);
  }
  add_copies(size, blocks_of_model);
  static_cast<void>(
      adapter->parameters());  // makes the gradients: copies train by those they are attached with
  adapter->attach(*decoder);
}

/// Those of the topmost blocks, and those outside of blocks.
void StepProbe::State::add_copies(const RunSize& size, Index blocks_of_model) {
  for (const model::CopySpec& copy : size.copies) {
    model::CopySpec here = copy;
    bool left_out = false;
    for (Index layer = 0; layer < blocks_of_model; ++layer) {
      const std::string block = config.block_name(layer);
      if (!copy.tensor.name.starts_with(block)) continue;
      const Index at = layer - (blocks_of_model - config.num_hidden_layers);
      left_out = at < 0;
      if (!left_out) here.tensor.name.replace(0, block.size(), config.block_name(at));
      break;
    }
    if (!left_out) adapter->copies().add_own(std::move(here), *decoder);
  }
}

double StepProbe::norm_seconds(int repetitions) {
  const State& state = *state_;
  if (state.adapter == nullptr || !state.adapter->config().use_dora) return 0;
  return best_seconds(repetitions, [&] { state.adapter->renew_norms(*state.decoder); });
}

StepProbe::StepProbe(const model::LoadedModel& model, const RunSize& size, const TrainOptions& options,
                     Index blocks)
    : state_(new State{.ops = *model.ops, .config = model.config, .options = options}) {
  State& state = *state_;
  state.config.num_hidden_layers = blocks;
  if (!state.config.sliding_windows.empty()) {
    state.config.sliding_windows.erase(state.config.sliding_windows.begin(),
                                       state.config.sliding_windows.end() - blocks);
  }
  const DType compute = model.decoder->compute();
  state.weights = make_weights(state.ops, state.config, model);
  if (options.method == Method::kLora) {
    if (options.int8 != nn::Int8Products::kNone) state.weights.hold_int8(state.config, options.threads);
    state.decoder = std::make_unique<model::Decoder>(state.ops, state.config, state.weights, compute);
    state.decoder->set_int8(options.int8);
    state.add_adapter(size, model.config.num_hidden_layers);
    return;
  }
  state.full = std::make_unique<model::FullParameters>(state.ops, state.config, state.weights, compute);
  state.weights = model::Weights();
  state.decoder = std::make_unique<model::Decoder>(state.ops, state.config, state.full->weights(), compute);
  state.full->attach(*state.decoder);
}

StepProbe::~StepProbe() = default;

double StepProbe::seconds(const ProbeBatch& batch, int repetitions) {
  State& state = *state_;
  const data::Batch made = make_batch(batch, state.config.vocab_size);
  const model::PassOptions pass = {.gradient_scale = 1e-6F,
                                   .grad_checkpoint = state.options.grad_checkpoint,
                                   .dropout_seed = 1,
                                   .micro_step = 0,
                                   .label_smoothing = static_cast<float>(state.options.label_smoothing)};
  return best_seconds(repetitions, [&] { state.decoder->loss_and_gradient(made, pass, state.workspace); });
}

double StepProbe::attention_seconds(const ProbeBatch& batch, int repetitions) {
  State& state = *state_;
  const model::ModelConfig& config = state.config;
  const Index q = config.q_width();
  const Index k = config.k_width();
  const ops::AttentionShape shape = {.heads = config.num_attention_heads,
                                     .kv_heads = config.num_key_value_heads,
                                     .head_dim = config.head_dim,
                                     .scale = 1.0F / std::sqrt(static_cast<float>(config.head_dim)),
                                     .window = config.window(config.num_hidden_layers - 1)};
  const DType compute = state.decoder->compute();
  const data::Batch made = make_batch(batch, config.vocab_size);
  Matrix qkv(batch.rows, q + 2 * k, compute);
  Matrix d_qkv(batch.rows, q + 2 * k, compute);
  Matrix out(batch.rows, q, compute);
  Matrix lse(batch.rows, shape.heads);
  fill(state.ops, qkv);
  const MatrixView in = qkv;
  const MatrixView d_in = d_qkv;
  return best_seconds(repetitions, [&] {
    state.ops.attention(in.col_range(0, q), in.col_range(q, k), in.col_range(q + k, k),
                        {made.offsets, made.offsets}, shape, out, lse);
    state.ops.attention_backward(in.col_range(0, q), in.col_range(q, k), in.col_range(q + k, k), out, lse,
                                 out, {made.offsets, made.offsets}, shape, d_in.col_range(0, q),
                                 d_in.col_range(q, k), d_in.col_range(q + k, k));
  });
}

}  // namespace lorry::train
