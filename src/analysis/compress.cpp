#include "analysis/compress.hpp"

#include <algorithm>
#include <cmath>

#include "analysis/parallel.hpp"
#include "analysis/spaces.hpp"
#include "analysis/spectrum.hpp"
#include "core/error.hpp"
#include "io/atomic_folder.hpp"
#include "io/message_text.hpp"
#include "io/safetensors_writer.hpp"
#include "model/module_ranks.hpp"
#include "model/peft_config.hpp"
#include "model/peft_names.hpp"

namespace lorry::analysis {

namespace {

void check(const CompressOptions& options) {
  const bool by_rank = options.rank != 0;
  const bool by_energy = options.energy_share != 0.0;
  if (by_rank == by_energy)
    throw Error("[compress] found rank {} and energy {}; expected one of both", options.rank,
                options.energy_share);
  if (by_rank && options.rank < 1)
    throw Error("[compress] rank: found {}; expected at least 1", options.rank);
  if (by_energy && !(options.energy_share > 0.0 && options.energy_share <= 1.0)) {
    throw Error("[compress] energy: found {}; expected above 0, at most 1", options.energy_share);
  }
}

CompressedModule compress_module(const Update& update, const CompressOptions& options) {
  const Spaces spaces = spaces_of(update, Parts::kDirections);
  const Vector& sigma = spaces.row.sigma;
  const Index available = sigma.size();
  CompressedModule result{.info = update.info, .delta_norm = spaces.frobenius_norm, .note = spaces.note};
  Index kept = options.rank;
  if (options.energy_share > 0) {
    const SpectrumFigures figures =
        spectrum_figures(to_list(sigma), options.energy_share, spaces.frobenius_norm);
    kept = figures.sufficient_rank;
    if (!spaces.complete && !figures.energy.empty() && figures.energy.back() < options.energy_share) {
      throw Error(
          "[compress] module {}: its top {} directions hold {:.3g} of the energy; expected {}; give a rank",
          io::in_quotes(update.info.module), available, figures.energy.back(), options.energy_share);
    }
  }
  kept = std::min(kept, available);
  result.rank = std::max<Index>(kept, 1);
  result.a = Grid(result.rank, update.info.inputs);
  result.b = Grid(update.info.outputs, result.rank);
  if (kept == 0) return result;
  const Vector roots = sigma.head(kept).cwiseSqrt();
  result.a = to_grid(roots.asDiagonal() * spaces.right(kept).transpose());
  result.b = to_grid(spaces.left(kept) * roots.asDiagonal());
  const double rest =
      spaces.complete
          ? sigma.tail(available - kept).norm()
          : std::sqrt(std::max(0.0, std::pow(spaces.frobenius_norm, 2) - sigma.head(kept).squaredNorm()));
  result.relative_error = rest / spaces.frobenius_norm;
  result.energy = 1.0 - result.relative_error * result.relative_error;
  return result;
}

void write_grid(io::SafetensorsWriter& writer, const std::string& name, const Grid& grid) {
  std::vector<float> values(grid.values.size());
  std::transform(grid.values.begin(), grid.values.end(), values.begin(),
                 [](double x) { return static_cast<float>(x); });
  writer.write(name, std::as_bytes(std::span(values)));
}

}  // namespace

std::vector<CompressedModule> compress(const UpdateSource& updates, const CompressOptions& options) {
  check(options);
  std::vector<CompressedModule> modules(updates.modules().size());
  for_each_parallel(static_cast<Index>(modules.size()), options.threads, options.progress,
                    [&](Index i, Index) {
                      modules[static_cast<std::size_t>(i)] = compress_module(updates.read(i), options);
                    });
  return modules;
}

void save_compressed(const std::filesystem::path& out, const std::vector<CompressedModule>& modules,
                     const std::string& base_model, bool conv1d) {
  LORRY_CHECK(!modules.empty());
  io::AtomicFolder folder(out);
  model::PeftConfig config;
  config.base_model_name_or_path = base_model;
  config.fan_in_fan_out = conv1d;
  std::vector<model::ModuleRank> ranks;
  for (const CompressedModule& module : modules) {
    config.target_modules.names.push_back(module.info.module);
    ranks.push_back({.module = module.info.module, .rank = module.rank, .scale = 1.0F});
  }
  model::save_peft_config(folder.path(), model::with_module_ranks(config, ranks));
  std::vector<io::TensorSpec> specs;
  for (const CompressedModule& module : modules) {
    specs.push_back(
        {model::peft_name(module.info.module, model::kLoraA), DType::kF32, {module.a.rows, module.a.cols}});
    specs.push_back(
        {model::peft_name(module.info.module, model::kLoraB), DType::kF32, {module.b.rows, module.b.cols}});
  }
  io::SafetensorsWriter writer(folder.path() / model::kAdapterWeightsFile, std::move(specs));
  for (const CompressedModule& module : modules) {
    write_grid(writer, model::peft_name(module.info.module, model::kLoraA), module.a);
    write_grid(writer, model::peft_name(module.info.module, model::kLoraB), module.b);
  }
  writer.finish();
  folder.commit();
}

}  // namespace lorry::analysis
