// bench_scaling MODEL... [--out DIR] [--dtype bf16|f32] [--steps 3] [--threads 0] [--only NAME...]
//
// How the cost of a LoRA step grows: with the tokens of a sequence, the rank, the batch and the threads on
// the first model, and over all models with their size. Prints a Markdown table for each and writes the
// curves as SVG under DIR. One thing is changed at a time; the others stay as in the first row. "of first"
// compares the rate of operations (products, adapters, attention) with that of the table's first row: where
// it stays at 1, cost grows as the work does.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <thread>

#include "benchmark.hpp"
#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/median.hpp"
#include "io/text_file.hpp"
#include "model/model_folder.hpp"
#include "model/stream_floor.hpp"
#include "ops/op_times.hpp"
#include "random_steps.hpp"
#include "report/line_chart.hpp"
#include "report/svg_file.hpp"
#include "report/table.hpp"

namespace lorry {
namespace {

struct Options {
  std::vector<std::string> models;
  std::string out;
  std::string dtype = "bf16";
  Index steps = 3;
  Index threads = 0;
  std::vector<std::string> only;
};

/// What one measurement is of.
struct Setting {
  std::string model;
  Index batch = 1;
  Index tokens = 512;
  Index rank = 8;
  Index threads = 0;
};

struct Measured {
  double seconds = 0;  // median of the steps after the first
  double tokens = 0;   // of a step
  double flops = 0;    // of a step: products, adapters and attention
};

Measured measure(const Setting& setting, const Options& options) {
  const DType dtype = options.dtype == "f32" ? DType::kF32 : DType::kBF16;
  const model::ModelConfig config = model::load_model_config(setting.model);
  const model::Weights weights = model::load_weights(setting.model, config);
  const auto times = std::make_shared<ops::OpTimes>();
  const auto ops = ops::make_timed_ops(ops::make_cpu_ops(setting.threads), times);
  bench::RandomSteps steps(*ops, config, weights, {.rank = setting.rank, .dtype = dtype});
  const std::vector<data::Batch> batches = {
      bench::random_batch(setting.batch, setting.tokens, config.vocab_size)};
  steps.step(batches);
  *times = {};
  std::vector<double> seconds;
  for (Index i = 0; i < options.steps; ++i) seconds.push_back(steps.step(batches));
  double flops = 0;
  for (const ops::OpTime& time : times->kinds) flops += time.flops;
  return {.seconds = median(seconds),
          .tokens = static_cast<double>(batches[0].rows()),
          .flops = flops / static_cast<double>(options.steps)};
}

/// One table and one curve.
class Study {
 public:
  Study(std::string name, std::string axis, const Options& options)
      : name_(std::move(name)), axis_(std::move(axis)), options_(options) {
    chart_.title = "Tokens per second by " + axis_;
    chart_.x = {.label = axis_, .scale = report::Scale::kLog};
    chart_.y = {.label = "tokens/s", .scale = report::Scale::kLog};
    chart_.series.push_back({.name = ""});
  }

  [[nodiscard]] bool wanted() const {
    return options_.only.empty() || std::ranges::find(options_.only, name_) != options_.only.end();
  }

  void add(double x, const std::string& label, const Setting& setting) {
    const Measured measured = measure(setting, options_);
    const double rate = measured.flops / measured.seconds;
    if (first_rate_ == 0) first_rate_ = rate;
    table_.add_row({label, report::Cell(report::format_fixed(measured.seconds, 3), measured.seconds),
                    measured.tokens / measured.seconds, 1e-9 * rate,
                    report::Cell(report::format_fixed(rate / first_rate_, 2), rate / first_rate_)});
    chart_.series.front().x.push_back(x);
    chart_.series.front().y.push_back(measured.tokens / measured.seconds);
    fmt::print(stderr, "{} {}: {:.3f} s\n", name_, label, measured.seconds);
  }

  void finish() const {
    fmt::print("### By {}\n\n{}\n", axis_, table_.to_markdown());
    if (options_.out.empty()) return;
    std::filesystem::create_directories(options_.out);
    io::write_text_file(std::filesystem::path(options_.out) / (name_ + ".svg"),
                        report::svg_file(report::to_svg(chart_)));
  }

 private:
  std::string name_;
  std::string axis_;
  const Options& options_;
  double first_rate_ = 0;
  report::Table table_{
      {{"", true}, {"s/step", true}, {"tokens/s", true}, {"GFLOP/s", true}, {"of first", true}}};
  report::LineChart chart_;
};

void vary(const std::string& name, const std::string& axis, const std::vector<Index>& values,
          const std::function<void(Setting&, Index)>& set, const Options& options) {
  Study study(name, axis, options);
  if (!study.wanted()) return;
  for (const Index value : values) {
    Setting setting{.model = options.models.front(), .threads = options.threads};
    set(setting, value);
    study.add(static_cast<double>(value), std::to_string(value), setting);
  }
  study.finish();
}

void run(const Options& options) {
  fmt::print(
      "{}; {}; {}, LoRA of rank 8 on all linear layers but the head, 1 x 512 tokens where nothing else is "
      "said\n\n",
      ops::make_cpu_ops(options.threads)->description(), options.models.front(), options.dtype);
  vary(
      "length", "tokens of a sequence", {128, 256, 512, 1024, 2048, 4096},
      [](Setting& setting, Index value) { setting.tokens = value; }, options);
  vary(
      "rank", "rank", {1, 2, 4, 8, 16, 32, 64, 128, 256},
      [](Setting& setting, Index value) { setting.rank = value; }, options);
  vary(
      "batch", "sequences of a batch", {1, 2, 4, 8},
      [](Setting& setting, Index value) { setting.batch = value; }, options);
  std::vector<Index> threads;
  for (Index count = 1; count <= static_cast<Index>(std::thread::hardware_concurrency()); count *= 2) {
    threads.push_back(count);
  }
  vary(
      "threads", "threads", threads, [](Setting& setting, Index value) { setting.threads = value; }, options);
  Study size("size", "weights that a token is multiplied with", options);
  if (!size.wanted()) return;
  for (const std::string& folder : options.models) {
    const model::ModelConfig config = model::load_model_config(folder);
    const double weights = model::forward_flops(config, 1, 1) / 2;
    size.add(weights, fmt::format("{:.3g} G", 1e-9 * weights),
             {.model = folder, .tokens = 128, .threads = options.threads});
  }
  size.finish();
}

}  // namespace
}  // namespace lorry

int main(int argc, char** argv) {
  CLI::App app("Times LoRA steps over lengths, ranks, batches, threads and model sizes.");
  lorry::Options options;
  app.add_option("models", options.models, "model folders, the smallest first")
      ->required()
      ->check(CLI::ExistingDirectory);
  app.add_option("--out", options.out, "folder for the curves");
  app.add_option("--dtype", options.dtype)->check(CLI::IsMember({"bf16", "f32"}));
  app.add_option("--steps", options.steps)->check(CLI::PositiveNumber);
  app.add_option("--threads", options.threads)->check(CLI::NonNegativeNumber);
  app.add_option("--only", options.only, "length, rank, batch, threads, size");
  return lorry::bench::run_benchmark(app, argc, argv, [&] { lorry::run(options); });
}
