// bench_attention [--tokens 2048] [--head-dim 64] [--heads 32] [--kv-heads 32] [--documents 1] [--window 0]
// [--dtype bf16|f32] [--threads 0] [--seconds 2]
//
// Times causal attention forward and backward, in turns with the best matrix product of the same type, and
// prints both rates: only pairs of tokens that are attended to count, two products forward and five backward.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <vector>

#include "benchmark.hpp"
#include "core/clock.hpp"
#include "core/median.hpp"
#include "ops/op_times.hpp"
#include "support/random_matrix.hpp"

namespace lorry {
namespace {

struct Options {
  Index tokens = 2048;
  Index head_dim = 64;
  Index heads = 32;
  Index kv_heads = 32;
  Index documents = 1;
  Index window = 0;
  std::string dtype = "bf16";
  Index threads = 0;
  double seconds = 2;
};

/// Operands of both passes.
class Case {
 public:
  Case(const Options& options, DType dtype)
      : shape_{.heads = options.heads,
               .kv_heads = options.kv_heads,
               .head_dim = options.head_dim,
               .scale = 0.125F,
               .window = options.window},
        q_(random(options.tokens, options.heads * options.head_dim, dtype, 1)),
        k_(random(options.tokens, options.kv_heads * options.head_dim, dtype, 2)),
        v_(random(options.tokens, options.kv_heads * options.head_dim, dtype, 3)),
        dout_(random(options.tokens, options.heads * options.head_dim, dtype, 4)),
        out_(options.tokens, q_.cols(), dtype),
        lse_(options.tokens, options.heads),
        dq_(options.tokens, q_.cols(), dtype),
        dk_(options.tokens, k_.cols(), dtype),
        dv_(options.tokens, k_.cols(), dtype) {
    for (Index d = 0; d <= options.documents; ++d) rows_.push_back(options.tokens * d / options.documents);
  }

  void forward(ops::Ops& ops) { ops.attention(q_, k_, v_, {rows_, rows_}, shape_, out_, lse_); }
  void backward(ops::Ops& ops) {
    ops.attention_backward(q_, k_, v_, out_, lse_, dout_, {rows_, rows_}, shape_, dq_, dk_, dv_);
  }
  [[nodiscard]] double forward_flops() const { return ops::attention_flops({rows_, rows_}, shape_); }

 private:
  static Matrix random(Index rows, Index cols, DType dtype, std::uint64_t seed) {
    return testing::random_matrix(rows, cols, dtype, seed);
  }

  ops::AttentionShape shape_;
  std::vector<Index> rows_;
  Matrix q_, k_, v_, dout_, out_, lse_, dq_, dk_, dv_;
};

double product_rate(ops::Ops& ops, DType dtype) {
  constexpr Index kSide = 1024;
  Matrix x(kSide / 2, kSide, dtype), w(kSide, kSide, dtype), y(kSide / 2, kSide, dtype);
  x.fill_zero();
  w.fill_zero();
  double best = 0;
  for (int i = 0; i < 8; ++i) {
    const Stopwatch watch;
    ops.matmul(x, w, y, {.transpose_b = true});
    best = std::max(best, static_cast<double>(kSide) * static_cast<double>(w.size()) / watch.seconds());
  }
  return best;
}

void run(const Options& options) {
  const DType dtype = options.dtype == "f32" ? DType::kF32 : DType::kBF16;
  const auto ops = ops::make_cpu_ops(options.threads);
  Case work(options, dtype);
  work.forward(*ops);
  work.backward(*ops);
  const double flops = work.forward_flops();
  std::vector<double> forward, backward, both;
  double peak = 0;
  const Stopwatch whole;
  do {
    peak = std::max(peak, product_rate(*ops, dtype));
    const Stopwatch watch;
    work.forward(*ops);
    const double first = watch.seconds();
    work.backward(*ops);
    const double second = watch.seconds() - first;
    forward.push_back(flops / first);
    backward.push_back(2.5 * flops / second);
    both.push_back(3.5 * flops / (first + second));
  } while (whole.seconds() < options.seconds || both.size() < 5);
  fmt::print("{}; {} tokens in {} documents, {} heads of {} on {}, window {}, {}\n", ops->description(),
             options.tokens, options.documents, options.heads, options.head_dim, options.kv_heads,
             options.window, options.dtype);
  fmt::print("best product {:.0f} GFLOP/s\n", 1e-9 * peak);
  const auto line = [&](const char* what, const std::vector<double>& rates) {
    const double best = *std::ranges::max_element(rates);
    fmt::print("{:<9} median {:.0f} GFLOP/s ({:.1f} % of it), best {:.0f} ({:.1f} %)\n", what,
               1e-9 * median(rates), 100 * median(rates) / peak, 1e-9 * best, 100 * best / peak);
  };
  line("forward", forward);
  line("backward", backward);
  line("both", both);
}

}  // namespace
}  // namespace lorry

int main(int argc, char** argv) {
  CLI::App app("Times attention forward and backward against the best matrix product.");
  lorry::Options options;
  app.add_option("--tokens", options.tokens)->check(CLI::PositiveNumber);
  app.add_option("--head-dim", options.head_dim)->check(CLI::PositiveNumber);
  app.add_option("--heads", options.heads)->check(CLI::PositiveNumber);
  app.add_option("--kv-heads", options.kv_heads)->check(CLI::PositiveNumber);
  app.add_option("--documents", options.documents)->check(CLI::PositiveNumber);
  app.add_option("--window", options.window)->check(CLI::NonNegativeNumber);
  app.add_option("--dtype", options.dtype)->check(CLI::IsMember({"bf16", "f32"}));
  app.add_option("--threads", options.threads)->check(CLI::NonNegativeNumber);
  app.add_option("--seconds", options.seconds)->check(CLI::PositiveNumber);
  return lorry::bench::run_benchmark(app, argc, argv, [&] { lorry::run(options); });
}
