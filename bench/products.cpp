// bench_products [--rows 512] [--dtype f32|bf16] [--threads 0] [--seconds 1] [--kinds NAME ...]
//
// Products of activations with the weights of a block of the 1.1B shape, forward (x W^T) and by x (dy W), for
// every kind of weight in turns: dense ones, packed ones, and these in integers. Weights of several blocks
// take turns, so that they come from memory as a model's do. Prints the rate of operations, and of bytes of
// weights for few rows, where those are what takes the time.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "benchmark.hpp"
#include "core/clock.hpp"
#include "core/median.hpp"
#include "core/option_error.hpp"
#include "ops/ops.hpp"
#include "support/random_matrix.hpp"
#include "support/random_packed.hpp"

namespace lorry {
namespace {

struct Shape {
  Index outputs, inputs;
};
constexpr std::array kShapes = {Shape{2048, 2048}, Shape{256, 2048}, Shape{5632, 2048}, Shape{2048, 5632}};
constexpr int kBlocks = 4;

/// Weights of one kind.
struct Kind {
  std::string name;
  ops::Integers integers = ops::Integers::kNone;
  std::vector<std::unique_ptr<testing::RandomPacked>> packed = {};
  std::vector<Matrix> dense = {};
  std::vector<WeightView> views = {};
  std::vector<double> forward = {}, backward = {};  // seconds of all

  [[nodiscard]] Index bytes() const {
    Index sum = 0;
    for (const WeightView& view : views) sum += view.bytes();
    return sum;
  }
};

Kind make_kind(const std::string& name, std::optional<BlockFormat> format, DType dtype,
               ops::Integers integers) {
  Kind kind{.name = name, .integers = integers};
  for (int block = 0; block < kBlocks; ++block) {
    for (const Shape& shape : kShapes) {
      if (format) {
        kind.packed.push_back(
            std::make_unique<testing::RandomPacked>(*format, shape.outputs, shape.inputs, 1, false, 0.02F));
        kind.views.emplace_back(*kind.packed.back());
      } else {
        kind.dense.push_back(testing::random_matrix(shape.outputs, shape.inputs, dtype, 1, 0.02F));
      }
    }
  }
  for (const Matrix& matrix : kind.dense) kind.views.emplace_back(matrix.view());
  return kind;
}

struct Options {
  Index rows = 512;
  std::vector<std::string> kinds = {};  // as in the table; empty: all
  std::string dtype = "f32";
  Index threads = 0;
  double seconds = 1;
};

/// Seconds of one product with every weight.
double pass(ops::Ops& ops, const Kind& kind, bool transpose_b, const Matrix& a, Matrix& c) {
  const Stopwatch watch;
  for (const WeightView& weight : kind.views) {
    const Index inner = transpose_b ? weight.cols : weight.rows;
    const Index outputs = transpose_b ? weight.rows : weight.cols;
    ops.matmul(a.view().col_range(0, inner), weight, c.view().col_range(0, outputs),
               {.transpose_b = transpose_b, .integers = kind.integers});
  }
  return watch.seconds();
}

void run(const Options& options) {
  const DType dtype = options.dtype == "f32" ? DType::kF32 : DType::kBF16;
  const auto ops = ops::make_cpu_ops(options.threads);
  std::vector<Kind> kinds;
  const auto add = [&](const std::string& name, std::optional<BlockFormat> format, DType type,
                       ops::Integers integers = ops::Integers::kNone) {
    if (options.kinds.empty() || std::ranges::find(options.kinds, name) != options.kinds.end())
      kinds.push_back(make_kind(name, format, type, integers));
  };
  add("F32", std::nullopt, DType::kF32);
  add("BF16", std::nullopt, DType::kBF16);
  add("NF4", BlockFormat::kNf4, dtype);
  constexpr std::array kOfIntegers = {BlockFormat::kInt8, BlockFormat::kQ8_0, BlockFormat::kQ6_K,
                                      BlockFormat::kQ4_K, BlockFormat::kQ4_0};
  for (const BlockFormat format : kOfIntegers) {
    const std::string name(facts_of(format).name);
    add(name, format, dtype);
    add(name + ", dots of integers", format, dtype, ops::Integers::kDots);
  }
  add("INT8, tiles of integers", BlockFormat::kInt8, dtype, ops::Integers::kTiles);
  if (kinds.empty()) throw OptionError("--kinds: found no kind of weight; expected names of the table");
  constexpr Index kWidest = 5632;
  const Matrix a = testing::random_matrix(options.rows, kWidest, dtype, 2);
  Matrix c(options.rows, kWidest, dtype);
  const Stopwatch whole;
  do {
    for (Kind& kind : kinds) {
      kind.forward.push_back(pass(*ops, kind, true, a, c));
      kind.backward.push_back(pass(*ops, kind, false, a, c));
    }
  } while (whole.seconds() < options.seconds * static_cast<double>(kinds.size()) ||
           kinds[0].forward.size() < 5);
  double weights = 0;
  for (const WeightView& view : kinds[0].views) weights += static_cast<double>(view.size());
  const double flops = 2.0 * static_cast<double>(options.rows) * weights;
  fmt::print("{}; {} rows in {}; medians of {}\n", ops->description(), options.rows, options.dtype,
             kinds[0].forward.size());
  fmt::print(
      "| weights | forward GFLOP/s | weights GB/s | by x GFLOP/s | weights GB/s |\n|---|---|---|---|---|\n");
  for (const Kind& kind : kinds) {
    const double forward = median(kind.forward);
    const double backward = median(kind.backward);
    const auto bytes = static_cast<double>(kind.bytes());
    fmt::print("| {} | {:.1f} | {:.1f} | {:.1f} | {:.1f} |\n", kind.name, 1e-9 * flops / forward,
               1e-9 * bytes / forward, 1e-9 * flops / backward, 1e-9 * bytes / backward);
  }
}

}  // namespace
}  // namespace lorry

int main(int argc, char** argv) {
  CLI::App app("Times products with every kind of weight.");
  lorry::Options options;
  app.add_option("--rows", options.rows)->check(CLI::PositiveNumber);
  app.add_option("--dtype", options.dtype)->check(CLI::IsMember({"bf16", "f32"}));
  app.add_option("--kinds", options.kinds, "as the table names them; all if not given");
  app.add_option("--threads", options.threads)->check(CLI::NonNegativeNumber);
  app.add_option("--seconds", options.seconds, "of each kind")->check(CLI::PositiveNumber);
  return lorry::bench::run_benchmark(app, argc, argv, [&] { lorry::run(options); });
}
