// bench_train_step MODEL [--tokens 512] [--batch 1] [--rank 8] [--dtype bf16|f32] [--steps 5] [--threads 0]
// [--grad-checkpoint] [--format nf4|q4_k|...]
//
// Times whole LoRA steps (forward, backward, AdamW; all linear layers but the head) on a model folder,
// between measurements of oneDNN's own matrix product in the same process, and prints both with their ratio.
// With --format instead: steps with the weights of the folder, and in turn steps with random blocks of that
// format in their place, and the ratio of their rates.
// Model flops: 4 per weight and token, the head counted, the embedding not, attention and adapters not.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <memory>
#include <optional>

#include "benchmark.hpp"
#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/median.hpp"
#include "matmul_peak.hpp"
#include "model/tensor_list.hpp"
#include "random_steps.hpp"
#include "support/random_packed.hpp"

namespace lorry {
namespace {

struct Options {
  std::string model;
  Index tokens = 512;
  Index batch = 1;
  Index rank = 8;
  std::string dtype = "bf16";
  std::string format;  // empty: the weights as the folder has them
  Index steps = 5;
  Index threads = 0;
  bool grad_checkpoint = false;
};

/// The weights of all linear maps, where they have the compute type; else empty, since oneDNN alone cannot
/// multiply them.
std::vector<ConstMatrixView> compute_weights(model::Decoder& decoder) {
  std::vector<ConstMatrixView> matrices;
  for (const nn::Linear* linear : decoder.linears()) {
    const nn::Linear::Weights& weights = linear->weights();
    if (!weights.matrix.is(decoder.compute()) || weights.inputs_by_outputs) return {};
    matrices.push_back(weights.matrix.as_dense());
  }
  return matrices;
}

/// Random blocks in place of a model's matrices, and the memory that they lie in.
struct PackedModel {
  std::vector<std::unique_ptr<testing::RandomPacked>> memory;
  model::Weights weights;
};

/// All matrices, or, in a format of bitsandbytes, those of the blocks, as its users quantise them.
PackedModel pack(BlockFormat format, const model::ModelConfig& config, const model::Weights& dense) {
  const bool all = format != BlockFormat::kNf4 && format != BlockFormat::kInt8;
  const Index block = format == BlockFormat::kNf4 ? 1 : facts_of(format).elements;
  PackedModel packed;
  for (const model::TensorSpec& spec : model::list_tensors(config)) {
    const WeightView own = dense.at(spec.name);
    if (spec.shape.size() != 2 || (!all && spec.rows() == config.vocab_size) || spec.cols() % block != 0) {
      packed.weights.add(spec.name, own);
      continue;
    }
    const auto seed = static_cast<std::uint64_t>(packed.memory.size());
    packed.memory.push_back(std::make_unique<testing::RandomPacked>(format, spec.rows(), spec.cols(), seed,
                                                                    format == BlockFormat::kNf4, 0.02F));
    packed.weights.add(spec.name, **packed.memory.back());
  }
  return packed;
}

void compare_with_peak(bench::RandomSteps& trainee, const std::vector<data::Batch>& batches,
                       const Options& options) {
  const DType dtype = trainee.decoder().compute();
  const double flops =
      4.0 * static_cast<double>(trainee.product_weights()) * static_cast<double>(batches[0].rows());
  std::vector<double> rates;
  std::vector<double> products;
  std::vector<double> peaks;
  const bool comparable = bench::has_product(dtype);
  const DType peer = comparable ? dtype : DType::kF32;
  if (!comparable)
    fmt::print("oneDNN has no {} product on this CPU; compared with its f32 product\n", options.dtype);
  std::vector<ConstMatrixView> matrices;
  if (comparable) matrices = compute_weights(trainee.decoder());
  for (Index i = 0; i < options.steps; ++i) {
    peaks.push_back(bench::measure_peak(peer, 0.15));
    if (!matrices.empty()) products.push_back(bench::measure_step_products(matrices, batches[0].rows()));
    const double seconds = trainee.step(batches);
    rates.push_back(flops / seconds);
    fmt::print("step {}: {:.3f} s, {:.0f} tokens/s, {:.0f} GFLOP/s\n", i + 1, seconds,
               static_cast<double>(batches[0].rows()) / seconds, rates.back() * 1e-9);
  }
  const auto compare = [&](const char* with, const std::vector<double>& other) {
    if (other.empty()) return;
    fmt::print("median {:.0f} GFLOP/s; oneDNN, {}: {:.0f}; {:.1f} %\n", median(rates) * 1e-9, with,
               median(other) * 1e-9, 100.0 * median(rates) / median(other));
  };
  compare("the products of this step alone", products);
  compare("its best product, operands in cache", peaks);
}

/// Steps in turn, so that what else the machine does falls on both.
void compare_formats(bench::RandomSteps& dense, bench::RandomSteps& packed,
                     const std::vector<data::Batch>& batches, const Options& options) {
  packed.step(batches);
  std::vector<double> of_dense;
  std::vector<double> of_packed;
  const auto tokens = static_cast<double>(batches[0].rows());
  for (Index i = 0; i < options.steps; ++i) {
    of_dense.push_back(dense.step(batches));
    of_packed.push_back(packed.step(batches));
    fmt::print("step {}: {:.3f} s as they are, {:.3f} s in {}\n", i + 1, of_dense.back(), of_packed.back(),
               options.format);
  }
  const auto line = [&](const char* what, double a, double b) {
    fmt::print("{}: {:.1f} tokens/s as they are, {:.1f} in {}: {:.1f} %\n", what, tokens / a, tokens / b,
               options.format, 100.0 * a / b);
  };
  line("median", median(of_dense), median(of_packed));
  line("fastest", *std::min_element(of_dense.begin(), of_dense.end()),
       *std::min_element(of_packed.begin(), of_packed.end()));
}

BlockFormat format_of(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::toupper(c); });
  const std::optional<BlockFormat> format = block_format_from_name(name);
  if (!format) throw Error("[bench] --format {}: no packed format; expected nf4, int8, q4_k, ...", name);
  return *format;
}

void run(const Options& options) {
  const DType dtype = options.dtype == "f32" ? DType::kF32 : DType::kBF16;
  const model::ModelConfig config = model::load_model_config(options.model);
  const model::Weights weights = model::load_weights(options.model, config);
  const auto ops = ops::make_cpu_ops(options.threads);
  const bench::StepSettings settings = {options.rank, dtype, options.grad_checkpoint};
  bench::RandomSteps trainee(*ops, config, weights, settings);
  const std::vector<data::Batch> batches = {
      bench::random_batch(options.batch, options.tokens, config.vocab_size)};
  fmt::print("{}; {} x {} tokens, rank {}, {}\n", ops->description(), options.batch, options.tokens,
             options.rank, options.dtype);
  trainee.step(batches);  // warms up: compiles the products, touches the pages
  if (!options.format.empty()) {
    const PackedModel packed = pack(format_of(options.format), config, weights);
    fmt::print("weights {} as they are, {} in {}\n", format_bytes(weights.matrix_bytes()),
               format_bytes(packed.weights.matrix_bytes()), options.format);
    bench::RandomSteps other(*ops, config, packed.weights, settings);
    return compare_formats(trainee, other, batches, options);
  }
  compare_with_peak(trainee, batches, options);
  const Index bytes = weights.matrix_bytes();
  fmt::print("peak resident {}, weights {}, above them {}\n", format_bytes(peak_rss_bytes()),
             format_bytes(bytes), format_bytes(peak_rss_bytes() - bytes));
}

}  // namespace
}  // namespace lorry

int main(int argc, char** argv) {
  CLI::App app("Times LoRA steps against oneDNN's matrix product.");
  lorry::Options options;
  app.add_option("model", options.model, "model folder")->required();
  app.add_option("--tokens", options.tokens)->check(CLI::PositiveNumber);
  app.add_option("--batch", options.batch)->check(CLI::PositiveNumber);
  app.add_option("--rank", options.rank)->check(CLI::PositiveNumber);
  app.add_option("--dtype", options.dtype)->check(CLI::IsMember({"bf16", "f32"}));
  app.add_option("--format", options.format, "compare with steps on random blocks of a packed format");
  app.add_option("--steps", options.steps)->check(CLI::PositiveNumber);
  app.add_option("--threads", options.threads);
  app.add_flag("--grad-checkpoint", options.grad_checkpoint);
  return lorry::bench::run_benchmark(app, argc, argv, [&] { lorry::run(options); });
}
