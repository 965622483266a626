#include "train/step_time.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/clock.hpp"

namespace lorry::train {

namespace {

constexpr int kRepetitions = 5;
constexpr double kWholeStepSeconds = 1.0;  // measured as it is
constexpr double kPartStepSeconds = 0.5;   // aimed at for several blocks
constexpr Index kMostBlocks = 6;           // of these
constexpr double kWholeModelElements = 64e6;
constexpr int kRounds = 4;  // of kRepetitionsOfRound each
constexpr int kRepetitionsOfRound = 2;
// No further round after so long: blocks of a model so large, or on a machine so slow, take as long as noise
// does.
constexpr double kEnoughSeconds = 15;
// A block takes at least this part of the time that its share of the operations would.
constexpr double kLeastOfShare = 0.6;
constexpr Index kRowStep = 32;
constexpr Index kFewestRows = 128;

/// Of the weights of a block: those that are multiplied again where its activations are recomputed, which
/// takes all but the block's output.
double recomputed_share(const model::ModelConfig& config) {
  const Index down = config.hidden_size * config.intermediate_size;
  return 1.0 - static_cast<double>(down) / static_cast<double>(model::product_elements(config));
}

/// Passes over the weights of a block that trains: forward, by x, by the weights, and forward again. DoRA
/// goes forward once more for the gradient of the magnitudes, and with dropout has two products for one
/// everywhere.
double passes(const model::ModelConfig& config, const TrainOptions& options, const RunSize& size) {
  const double forward = size.dora && size.dropout ? 2.0 : 1.0;
  double sum = 2.0 * forward;
  if (options.grad_checkpoint) sum += forward * recomputed_share(config);
  if (options.method == Method::kFull || size.dora) sum += 1.0;
  return sum;
}

/// Floating point operations of products in one row of a micro-batch.
double flops_of_row(const model::ModelConfig& config, const TrainOptions& options, const RunSize& size,
                    Index blocks, double share) {
  const double head = static_cast<double>(config.hidden_size * config.vocab_size) * share;
  const double head_passes = options.method == Method::kFull ? 3.0 : 2.0;
  return 2.0 * (passes(config, options, size) * static_cast<double>(model::product_elements(config)) *
                    static_cast<double>(blocks) +
                head_passes * head);
}

/// What batches are like: as long as they get, of documents of the length that a token meets on average.
ProbeBatch usual_batch(const TrainOptions& options, const model::ModelConfig& config,
                       const data::Dataset* data) {
  const LargestBatch largest = largest_batch(options, config, data);
  ProbeBatch batch{.rows = largest.rows,
                   .length = largest.longest,
                   .share = static_cast<double>(largest.targets) / static_cast<double>(largest.rows)};
  if (data == nullptr) return batch;
  const data::DocumentView documents = data->view();
  double tokens = 0;
  double squares = 0;
  for (Index i = 0; i < documents.size(); ++i) {
    const auto length = static_cast<double>(documents.length(i));
    tokens += length;
    squares += length * length;
  }
  // Answers behind a shared prompt attend to more than their own tokens; attention is a small part of a step.
  if (tokens > 0) {
    batch.length = std::clamp<Index>(static_cast<Index>(std::lround(squares / tokens)), 2, largest.longest);
  }
  return batch;
}

/// Of one micro-batch, and of what follows an update.
struct StepParts {
  double micro_step = 0;
  double norms = 0;
};

/// Blocks that take as long as the ends, and one more: what a block takes is a difference to one block alone,
/// which counts once for every block of the model and must not drown in what the ends take.
Index blocks_to_measure(const model::ModelConfig& config, const TrainOptions& options, const RunSize& size,
                        double share) {
  const double ends = flops_of_row(config, options, size, 0, share);
  const double block = flops_of_row(config, options, size, 1, 0);
  const Index wanted = 1 + static_cast<Index>(std::ceil(ends / block));
  return std::clamp<Index>(wanted, 2, std::clamp<Index>(config.num_hidden_layers, 2, kMostBlocks));
}

/// Time of all blocks and the ends from that of one block and of several, with fewer rows.
StepParts extrapolate(const model::LoadedModel& model, const RunSize& size, const TrainOptions& options,
                      const ProbeBatch& whole, StepTime& time) {
  const Index several = blocks_to_measure(model.config, options, size, whole.share);
  const auto more = static_cast<double>(several - 1);
  const double row_flops = flops_of_row(model.config, options, size, several, whole.share);
  const double affordable = kPartStepSeconds * time.rates.flops / row_flops;
  const Index most = static_cast<Index>(affordable) / kRowStep * kRowStep;
  ProbeBatch part = whole;
  part.rows = std::min(whole.rows, std::max(kFewestRows, most));
  part.length = std::min(whole.length, part.rows);
  StepProbe one(model, size, options, 1);
  StepProbe many(model, size, options, several);
  double first = std::numeric_limits<double>::infinity();
  double second = first;
  // In turns: what disturbs the machine for a while should not meet one of them alone.
  const Stopwatch watch;
  for (int round = 0; round < kRounds && (round == 0 || watch.seconds() < kEnoughSeconds); ++round) {
    first = std::min(first, one.seconds(part, kRepetitionsOfRound));
    second = std::min(second, many.seconds(part, kRepetitionsOfRound));
  }
  // Noise in it counts once for every block, so it is held between what it can be at all.
  const double share = flops_of_row(model.config, options, size, 1, 0) / row_flops;
  const double block =
      std::clamp((second - first) / more, kLeastOfShare * share * second, second / (more + 1));
  const double ends = second - (more + 1) * block;
  const double times = static_cast<double>(whole.rows) / static_cast<double>(part.rows);
  double attention = 0;
  if (part.length < whole.length) {
    const ProbeBatch longer = {.rows = whole.length, .length = whole.length, .share = 1};
    attention = one.attention_seconds(longer, 2) * static_cast<double>(whole.rows) /
                    static_cast<double>(longer.rows) -
                one.attention_seconds(part, 2) * times;
    // Forward, which is recomputed, is about a third.
    if (options.grad_checkpoint) attention *= 4.0 / 3.0;
  }
  const auto blocks = static_cast<double>(model.config.num_hidden_layers);
  const auto below = static_cast<double>(size.lowest);  // only forward
  const double trained = blocks - below + below / passes(model.config, options, size);
  const double norms = one.norm_seconds(kRepetitions);
  const double norms_of_block = std::max(many.norm_seconds(kRepetitions) - norms, 0.0) / more;
  time.probe_blocks = several;
  time.probe_rows = part.rows;
  return {.micro_step = times * (ends + trained * block) + trained * std::max(attention, 0.0),
          .norms = norms + std::max(blocks - below - 1, 0.0) * norms_of_block};
}

/// Bytes per second as the run will read them.
double read_rate(model::WeightStream& stream) {
  constexpr double kSeconds = 1.0;
  std::vector<Index> order;
  for (Index part = 0; part < std::ssize(stream.parts()); ++part) order.push_back(part);
  const Stopwatch watch;
  const Index before = stream.totals().bytes;
  stream.start_pass(order);
  for (const Index part : order) {
    stream.visit(part);
    if (watch.seconds() > kSeconds) break;
  }
  const Index read = stream.totals().bytes - before;
  stream.start_pass({});
  return static_cast<double>(read) / watch.seconds();
}

}  // namespace

double step_flops(const model::ModelConfig& config, const TrainOptions& options, const RunSize& size,
                  Index rows, Index targets) {
  const double share = static_cast<double>(targets) / static_cast<double>(rows);
  const auto frozen = static_cast<double>(size.lowest);  // blocks that are only gone forward through
  const double below = 2.0 * static_cast<double>(model::product_elements(config)) * frozen *
                       (passes(config, options, size) - 1.0);
  return static_cast<double>(rows) *
         (flops_of_row(config, options, size, config.num_hidden_layers, share) - below);
}

StepTime predict_step_time(const RunInputs& inputs, const RunSize& size, const TrainOptions& asked) {
  const model::LoadedModel& model = inputs.model;
  const data::Dataset* const data = inputs.data.statistics.tokens > 0 ? &inputs.data : nullptr;
  const std::shared_ptr<model::WeightStream>& stream = model.weights.stream();
  TrainOptions options = asked;
  options.grad_checkpoint = options.grad_checkpoint || stream;
  const Stopwatch watch;
  const model::ModelConfig& config = model.config;
  StepTime time{.rates = measure_rates(model, options)};
  const ProbeBatch batch = usual_batch(options, config, data);
  const auto accumulated = static_cast<double>(options.grad_accumulation_steps);
  const double flops = flops_of_row(config, options, size, config.num_hidden_layers, batch.share);
  const bool whole = flops * static_cast<double>(batch.rows) / time.rates.flops < kWholeStepSeconds &&
                     static_cast<double>(size.model) < kWholeModelElements && size.lowest == 0;
  StepParts parts;
  if (whole) {
    StepProbe probe(model, size, options, config.num_hidden_layers);
    parts = {.micro_step = probe.seconds(batch, 2 * kRepetitions), .norms = probe.norm_seconds(kRepetitions)};
    time.probe_blocks = config.num_hidden_layers;
    time.probe_rows = batch.rows;
  } else {
    parts = extrapolate(model, size, options, batch, time);
  }
  time.seconds = accumulated * parts.micro_step + parts.norms +
                 time.rates.update_seconds * static_cast<double>(size.trainable);
  if (stream) {
    time.disk_bytes = stream->round_trip().read;
    time.disk_bytes_per_second = read_rate(*stream);
    const Index scratch = inputs.scratch.block_inputs * options.grad_accumulation_steps * batch.rows *
                          config.hidden_size * size_of(DType::kF32);  // written, and then read
    const auto moved = static_cast<double>(time.disk_bytes + 2 * scratch);
    time.seconds = std::max(time.seconds, moved / time.disk_bytes_per_second);
    time.streamed = {
        .read = {.bytes = time.disk_bytes, .waited = 0, .passes = 1},
        .scratch = {.written = scratch, .read = scratch},
        .seconds = time.seconds,
        .flops = accumulated * step_flops(config, options, size, batch.rows,
                                          static_cast<Index>(batch.share * static_cast<double>(batch.rows))),
        .peaks = model::measure_peaks(model)};
  }
  time.tokens = batch.rows * options.grad_accumulation_steps;
  time.probe_seconds = watch.seconds();
  return time;
}

}  // namespace lorry::train
