// bench_analysis [--layers 32] [--hidden 4096] [--intermediate 11008] [--rank 8] [--other-rank 64]
//                [--model FOLDER] [--directory DIR] [--keep FOLDER] [--skip-similarity]
//                [--skip-amplification] [--directions 0] [--weight-directions 0]
//
// Times the analyses on adapters and bf16 weights of a Llama's shapes, random and written to a temporary
// folder, which is removed, or to one that is kept, so that the program can be timed on them; or on a given
// model folder. Prints wall and processor seconds. For amplification also the floor: W read once, and its
// products (as many passes of the same width) with everything else left out.
#include <fmt/format.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>

#include "analysis/amplification.hpp"
#include "analysis/parallel.hpp"
#include "analysis/similarity.hpp"
#include "analysis/spectrum.hpp"
#include "benchmark.hpp"
#include "core/clock.hpp"
#include "core/rng.hpp"
#include "io/json_file.hpp"
#include "io/mapped_file.hpp"
#include "io/safetensors_writer.hpp"
#include "model/initialize.hpp"
#include "model/peft_names.hpp"
#include "model/shapes.hpp"
#include "ops/ops.hpp"

namespace lorry {
namespace {

struct Options {
  Index layers = 32;
  Index hidden = 4096;
  Index intermediate = 11008;
  Index rank = 8;
  Index other_rank = 64;
  std::string model;
  std::string directory = std::filesystem::temp_directory_path().string();
  std::string keep;
  Index directions = 0;
  Index weight_directions = 0;
  bool skip_similarity = false;
  bool skip_amplification = false;
};

struct Shape {
  std::string module;
  Index outputs;
  Index inputs;
};

/// Removed at the end, unless it is one to keep.
class Folder {
 public:
  Folder(const std::string& directory, const std::string& keep) : kept_(!keep.empty()) {
    if (kept_) {
      path_ = keep;
      std::filesystem::create_directories(path_);
      return;
    }
    std::string name = directory + "/bench-analysis-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder in " + directory);
    path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    if (kept_) return;
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::filesystem::path operator/(const char* name) const { return path_ / name; }

 private:
  bool kept_;
  std::filesystem::path path_;
};

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

struct Seconds {
  double wall = 0;
  double cpu = 0;
};

template <class Work>
Seconds time(Work&& work) {
  const Stopwatch watch;
  const double before = cpu_seconds();
  work();
  return {watch.seconds(), cpu_seconds() - before};
}

void report(std::string_view what, Seconds seconds) {
  fmt::print("{:<44} {:8.2f} s wall {:8.2f} s processor\n", what, seconds.wall, seconds.cpu);
  std::fflush(stdout);
}

std::vector<Shape> shapes_of(const Options& options) {
  std::vector<Shape> shapes;
  for (Index layer = 0; layer < options.layers; ++layer) {
    const std::string block = fmt::format("model.layers.{}.", layer);
    for (const char* name : {"q_proj", "k_proj", "v_proj", "o_proj"}) {
      shapes.push_back({block + "self_attn." + name, options.hidden, options.hidden});
    }
    shapes.push_back({block + "mlp.gate_proj", options.intermediate, options.hidden});
    shapes.push_back({block + "mlp.up_proj", options.intermediate, options.hidden});
    shapes.push_back({block + "mlp.down_proj", options.hidden, options.intermediate});
  }
  return shapes;
}

/// A random adapter whose directions weigh less and less, as trained ones do.
void write_adapter(const std::filesystem::path& folder, const std::vector<Shape>& shapes, Index rank,
                   std::uint64_t seed) {
  std::filesystem::create_directories(folder);
  const io::Json config = {
      {"peft_type", "LORA"},
      {"task_type", "CAUSAL_LM"},
      {"r", rank},
      {"lora_alpha", 16},
      {"target_modules", {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}}};
  io::write_json_file(folder / "adapter_config.json", config);
  std::vector<io::TensorSpec> specs;
  for (const Shape& shape : shapes) {
    specs.push_back({model::peft_name(shape.module, model::kLoraA), DType::kF32, {rank, shape.inputs}});
    specs.push_back({model::peft_name(shape.module, model::kLoraB), DType::kF32, {shape.outputs, rank}});
  }
  io::SafetensorsWriter writer(folder / "adapter_model.safetensors", std::move(specs));
  Rng rng(seed);
  std::vector<float> values;
  for (const io::TensorSpec& spec : writer.tensors()) {
    values.resize(static_cast<std::size_t>(spec.shape[0] * spec.shape[1]));
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto direction =
          static_cast<float>(spec.shape[0] == rank ? i / static_cast<std::size_t>(spec.shape[1])
                                                   : i % static_cast<std::size_t>(rank));
      values[i] = (rng.next_uniform() - 0.5F) / (1.0F + direction);
    }
    writer.write(spec.name, std::as_bytes(std::span(values)));
  }
  writer.finish();
}

void bench_similarity(const std::filesystem::path& first, const std::filesystem::path& second) {
  const auto x = analysis::open_updates(first);
  const auto y = analysis::open_updates(second);
  const Seconds similarity = time([&] { analysis::measure_similarity(*x, *y); });
  report("similarity, with controls", similarity);
  const Seconds spectrum = time([&] {
    analysis::measure_spectra(*x);
    analysis::measure_spectra(*y);
  });
  report("spectrum of both", spectrum);
  report("together", {similarity.wall + spectrum.wall, similarity.cpu + spectrum.cpu});
}

/// Everything but the products is left out: one F32 panel per shape, multiplied as often and as wide as was
/// counted.
Seconds time_products(const analysis::AmplificationReport& measured) {
  struct Count {
    double passes = 0;
    double columns = 0;
  };
  std::map<std::pair<Index, Index>, Count> by_shape;
  for (const analysis::ModuleAmplification& module : measured.modules) {
    Count& count = by_shape[{module.info.outputs, module.info.inputs}];
    count.passes += static_cast<double>(module.products.passes);
    count.columns += static_cast<double>(module.products.columns);
  }
  Seconds sum;
  const auto ops = ops::make_cpu_ops();
  for (const auto& [shape, count] : by_shape) {
    const auto [outputs, inputs] = shape;
    const auto width = static_cast<Index>(std::llround(count.columns / count.passes));
    const Matrix w(outputs, inputs, DType::kBF16);
    const Matrix transposed(inputs, outputs, DType::kBF16);
    const Matrix x(width, inputs);
    const Matrix y(width, outputs);
    Matrix wx(outputs, width);
    Matrix wy(inputs, width);
    const auto both = [&] {
      ops->low_rank_project(w, x, 1.0F, wx);
      ops->low_rank_project(transposed, y, 1.0F, wy);
    };
    both();
    constexpr int kRepeats = 24;
    const Seconds one = time([&] {
      for (int i = 0; i < kRepeats; ++i) both();
    });
    sum.wall += one.wall / kRepeats / 2 * count.passes;
    sum.cpu += one.cpu / kRepeats / 2 * count.passes;
    fmt::print("  [{},{}]: {:.0f} passes, mean width {}, {:.0f} GFLOP/s\n", outputs, inputs, count.passes,
               width, 4e-9 * kRepeats * static_cast<double>(outputs * inputs * width) / one.wall);
  }
  return sum;
}

/// Sum of all bytes of the files, so that every page is touched.
Seconds time_reading(const std::filesystem::path& folder) {
  return time([&] {
    std::uint64_t sum = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.path().extension() != ".safetensors") continue;
      const io::MappedFile file(entry.path());
      const auto* const words = reinterpret_cast<const std::uint64_t*>(file.bytes().data());
      const Index count = file.size() / 8;
#pragma omp parallel for reduction(+ : sum)
      for (Index i = 0; i < count; ++i) sum += words[i];
    }
    if (sum == 42) fmt::print("\n");
  });
}

void bench_amplification(const std::filesystem::path& adapter, const std::filesystem::path& model,
                         const Options& options) {
  const auto updates = analysis::open_updates(adapter);
  const Seconds reading = time_reading(model);
  report("reading the weights once", reading);
  analysis::AmplificationReport measured;
  const Seconds all = time([&] {
    measured = analysis::measure_amplification(
        *updates, model, {.directions = options.directions, .weight_directions = options.weight_directions});
  });
  report("amplification", all);
  double residual = 0;
  for (const auto& module : measured.modules) residual = std::max(residual, module.weight_residual);
  fmt::print("  largest residual of W's own directions {:.1e}\n", residual);
  const Seconds products = time_products(measured);
  report("the products alone", products);
  fmt::print("amplification / (reading + products): wall {:.2f}, processor {:.2f}\n",
             all.wall / (reading.wall + products.wall), all.cpu / (reading.cpu + products.cpu));
}

void run(const Options& options) {
  const Folder folder(options.directory, options.keep);
  const std::vector<Shape> shapes = shapes_of(options);
  fmt::print("{} modules, hidden {}, intermediate {}, ranks {} and {}\n", shapes.size(), options.hidden,
             options.intermediate, options.rank, options.other_rank);
  write_adapter(folder / "first", shapes, options.rank, 1);
  write_adapter(folder / "second", shapes, options.other_rank, 2);
  if (!options.skip_similarity) bench_similarity(folder / "first", folder / "second");
  if (options.skip_amplification) return;
  std::filesystem::path model = options.model;
  if (model.empty()) {
    model = folder / "model";
    std::filesystem::create_directories(model);
    io::Json config = model::shape_config("llama-7b");
    config["num_hidden_layers"] = options.layers;
    config["hidden_size"] = options.hidden;
    config["intermediate_size"] = options.intermediate;
    io::write_json_file(model / "config.json", config);
    model::write_random_weights(model / "model.safetensors", model::load_model_config(model), 0.02F,
                                DType::kBF16, 1, [](Index, Index) {});
  }
  bench_amplification(folder / "first", model, options);
}

}  // namespace
}  // namespace lorry

int main(int argc, char** argv) {
  CLI::App app("Times the analyses of adapters on a Llama's shapes.");
  lorry::Options options;
  app.add_option("--layers", options.layers)->check(CLI::PositiveNumber);
  app.add_option("--hidden", options.hidden)->check(CLI::PositiveNumber);
  app.add_option("--intermediate", options.intermediate)->check(CLI::PositiveNumber);
  app.add_option("--rank", options.rank)->check(CLI::PositiveNumber);
  app.add_option("--other-rank", options.other_rank)->check(CLI::PositiveNumber);
  app.add_option("--model", options.model, "model folder of these shapes; else a random one is made");
  app.add_option("--directory", options.directory, "where the temporary folder goes");
  app.add_option("--keep", options.keep, "folder for the adapters and weights, which then stay");
  app.add_option("--directions", options.directions);
  app.add_option("--weight-directions", options.weight_directions);
  app.add_flag("--skip-similarity", options.skip_similarity);
  app.add_flag("--skip-amplification", options.skip_amplification);
  return lorry::bench::run_benchmark(app, argc, argv, [&] { lorry::run(options); });
}
