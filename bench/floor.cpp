// bench_floor [FILE] [--seconds 1] [--json]
//
// What this machine can do at best: matrix products in bf16, f32 and int8, reading memory, and reading FILE
// from its disk. Of products the best shape counts, operands in cache; in f32 and bf16 the better of oneDNN
// and Lorry's own.
#include <fmt/format.h>
#include <omp.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "benchmark.hpp"
#include "core/clock.hpp"
#include "io/disk_rate.hpp"
#include "matmul_peak.hpp"
#include "ops/ops.hpp"

namespace lorry {
namespace {

/// FLOP/s of Lorry's products, weights as they lie in model files.
double measure_own(ops::Ops& ops, DType dtype, double seconds) {
  constexpr Index kRows = 512;
  double best = 0;
  for (const Index side : {1024, 2048}) {
    Matrix x(kRows, side, dtype), w(side, side, dtype), y(kRows, side, dtype);
    x.fill_zero();
    w.fill_zero();
    const Stopwatch whole;
    do {
      for (const bool transpose_b : {true, false}) {
        const Stopwatch watch;
        ops.matmul(x, w, y, {.transpose_b = transpose_b});
        best = std::max(best, 2.0 * static_cast<double>(kRows * w.size()) / watch.seconds());
      }
    } while (whole.seconds() < seconds);
  }
  return best;
}

/// Bytes per second of all threads together, over much more than any cache holds.
double measure_memory(double seconds) {
  const std::vector<std::uint64_t> words(std::size_t{1} << 27U, 1);  // 1 GiB
  double best = 0;
  std::uint64_t sum = 0;
  const Stopwatch whole;
  do {
    const Stopwatch watch;
#pragma omp parallel for simd reduction(+ : sum)
    for (std::size_t i = 0; i < words.size(); ++i) sum += words[i];
    best = std::max(best, static_cast<double>(words.size() * sizeof(std::uint64_t)) / watch.seconds());
  } while (whole.seconds() < seconds);
  if (sum == 0) throw std::logic_error("the compiler left the loop out");
  return best;
}

void run(const std::string& file, double seconds, bool as_json) {
  const auto ops = ops::make_cpu_ops();
  nlohmann::ordered_json json = {{"cpu", ops->description()}, {"threads", omp_get_max_threads()}};
  const auto products = [&](const char* name, DType dtype) {
    double best = bench::has_product(dtype) ? bench::measure_peak(dtype, seconds / 6) : 0;
    if (dtype != DType::kU8) best = std::max(best, measure_own(*ops, dtype, seconds / 2));
    json[name] = best;
  };
  products("bf16_flops_per_second", DType::kBF16);
  products("f32_flops_per_second", DType::kF32);
  products("int8_ops_per_second", DType::kU8);
  json["memory_bytes_per_second"] = measure_memory(seconds);
  json["disk_bytes_per_second"] = file.empty() ? 0.0 : io::measure_disk_rate(file, seconds);
  if (as_json) return fmt::print("{}\n", json.dump());
  for (const auto& [name, value] : json.items()) {
    if (value.is_number_float()) {
      fmt::print("{:<24} {:.4g} G\n", name, 1e-9 * value.get<double>());
    } else {
      fmt::print("{:<24} {}\n", name, value.dump());
    }
  }
}

}  // namespace
}  // namespace lorry

int main(int argc, char** argv) {
  CLI::App app("Measures what this machine can do at best.");
  std::string file;
  double seconds = 1;
  bool json = false;
  app.add_option("file", file, "a large file on the disk in question")->check(CLI::ExistingFile);
  app.add_option("--seconds", seconds, "of each measurement")->check(CLI::PositiveNumber);
  app.add_flag("--json", json);
  return lorry::bench::run_benchmark(app, argc, argv, [&] { lorry::run(file, seconds, json); });
}
