#include "model/stream_floor.hpp"

#include <algorithm>
#include <vector>

#include "core/clock.hpp"
#include "io/disk_rate.hpp"

namespace lorry::model {

namespace {

constexpr double kDiskSeconds = 1.0;
constexpr double kProductSeconds = 0.6;

/// Of products whose operands fit in the caches, with dense and with packed weights.
double peak_flops(ops::Ops& ops, DType compute) {
  constexpr Index kRows = 512;
  constexpr Index kSide = 1024;
  Matrix x(kRows, kSide, compute), w(kSide, kSide, compute), y(kRows, kSide, compute);
  x.fill_zero();
  w.fill_zero();
  const std::vector<std::byte> codes(kSide * kSide / 2);  // what they say costs nothing
  const std::vector<float> absmax(kSide * kSide / 64);
  PackedMatrix packed;
  packed.format = BlockFormat::kNf4;
  packed.rows = packed.cols = kSide;
  packed.codes = codes;
  packed.scales.emplace<Nf4Scales>().absmax = absmax.data();
  double best = 0;
  const Stopwatch whole;
  do {
    for (const WeightView& weights : {WeightView(w), WeightView(&packed)}) {
      for (const bool transpose_b : {true, false}) {
        const Stopwatch watch;
        ops.matmul(x, weights, y, {.transpose_b = transpose_b});
        best = std::max(best, 2.0 * static_cast<double>(kRows * w.size()) / watch.seconds());
      }
    }
  } while (whole.seconds() < kProductSeconds);
  return best;
}

}  // namespace

double measure_peak_flops(const LoadedModel& model) {
  return peak_flops(*model.ops, model.decoder->compute());
}

double measure_peak_disk(const LoadedModel& model) {
  for (const auto& file : model.weights.files()) {
    const double rate = io::measure_disk_rate(file->path(), kDiskSeconds);
    if (rate > 0) return rate;
  }
  return 0;
}

MachinePeaks measure_peaks(const LoadedModel& model) {
  return {.flops = measure_peak_flops(model), .disk_bytes = measure_peak_disk(model)};
}

Index product_elements(const ModelConfig& config) {
  const Index attention = config.hidden_size * (2 * config.q_width() + 2 * config.k_width());
  const Index mlp = config.hidden_size * config.intermediate_size * (config.names.gate.empty() ? 2 : 3);
  return attention + mlp;
}

double forward_flops(const ModelConfig& config, Index rows, Index head_rows) {
  return 2.0 * (static_cast<double>(product_elements(config) * config.num_hidden_layers) *
                    static_cast<double>(rows) +
                static_cast<double>(config.hidden_size * config.vocab_size) * static_cast<double>(head_rows));
}

double StreamedWork::disk_floor() const {
  return peaks.disk_bytes > 0 ? static_cast<double>(read.bytes) / peaks.disk_bytes : 0;
}

double StreamedWork::product_floor() const {
  return peaks.flops > 0 ? flops / peaks.flops : 0;
}

double StreamedWork::times_floor() const {
  const double floor = std::max(disk_floor(), product_floor());
  return floor > 0 ? seconds / floor : 0;
}

}  // namespace lorry::model
