#include "analysis/compress.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "analysis/memory.hpp"
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
#include "model/vocabulary.hpp"

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

/// ‖ΔW - b a‖_F of a difference, from its numbers: where directions are only known to float32, so is what
/// their singular values say of the rest.
double rest_of(const Update& update, const CompressedModule& module) {
  constexpr Index kRows = 256;
  double squares = 0;
  for (Index begin = 0; begin < update.info.outputs; begin += kRows) {
    const Index rows = std::min(kRows, update.info.outputs - begin);
    squares += (as_eigen(update.difference).middleRows(begin, rows) -
                as_eigen(module.b).middleRows(begin, rows) * as_eigen(module.a))
                   .squaredNorm();
  }
  return std::sqrt(squares);
}

/// Throws Error where float32, in which they are written, does not hold the factors.
void check_range(const CompressedModule& module) {
  const double largest =
      std::max(as_eigen(module.a).cwiseAbs().maxCoeff(), as_eigen(module.b).cwiseAbs().maxCoeff());
  if (largest >= std::numeric_limits<float>::min() && largest <= std::numeric_limits<float>::max()) return;
  throw Error("module {}: its factors reach {:.3g} in size; expected what float32 holds",
              io::in_quotes(module.info.module), largest);
}

/// Fills in the best approximation of rank `kept` and its error. `update`: empty where the spaces are exact.
void keep(const Update& update, const Spaces& spaces, Index kept, CompressedModule& result) {
  const Vector& sigma = spaces.row.sigma;
  const Vector roots = sigma.head(kept).cwiseSqrt();
  result.rank = kept;
  result.a = to_grid(roots.asDiagonal() * spaces.right(kept).transpose());
  result.b = to_grid(spaces.left(kept) * roots.asDiagonal());
  const double rest = spaces.exact ? sigma.tail(sigma.size() - kept).norm() : rest_of(update, result);
  check_range(result);
  result.relative_error = rest / spaces.frobenius_norm;
  result.energy = 1.0 - result.relative_error * result.relative_error;
}

[[noreturn]] void throw_too_few(const CompressedModule& module, double energy_share) {
  throw Error(
      "module {}: its top {} directions hold {:.4g} of the energy, and no more were computed; "
      "found energy {}, expected at most that, or a rank",
      io::in_quotes(module.info.module), module.coverage.directions, module.coverage.energy, energy_share);
}

CompressedModule compress_module(const UpdateInfo& info, const Update& update, const Spaces& spaces,
                                 const CompressOptions& options) {
  const Index available = spaces.rank();
  CompressedModule result{
      .info = info, .delta_norm = spaces.frobenius_norm, .coverage = spaces.coverage(), .note = spaces.note};
  if (available == 0) {
    result.rank = 1;
    result.a = Grid(1, info.inputs);
    result.b = Grid(info.outputs, 1);
    return result;
  }
  if (options.energy_share == 0.0) {
    keep(update, spaces, std::min(options.rank, available), result);
    return result;
  }
  const SpectrumFigures figures =
      spectrum_figures(to_list(spaces.row.sigma), options.energy_share, spaces.frobenius_norm);
  if (!figures.sufficient_rank && !spaces.complete) throw_too_few(result, options.energy_share);
  Index kept = figures.sufficient_rank.value_or(available);
  keep(update, spaces, kept, result);
  // Float32 may have promised a little too much.
  while (!spaces.exact && result.energy < options.energy_share && kept < available) {
    keep(update, spaces, ++kept, result);
  }
  if (!spaces.complete && result.energy < options.energy_share) throw_too_few(result, options.energy_share);
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
  MemoryShares memory;
  if (options.memory > 0) memory = {compress_memory(updates, options).modules, options.memory};
  DecompositionOptions decomposition = options.decomposition;
  decomposition.top = std::max(decomposition.top, options.rank);
  const auto work = [&](Index i, Index) {
    const auto at = static_cast<std::size_t>(i);
    const Spaces spaces = spaces_of(updates.read(i), Parts::kDirections, decomposition);
    // Of a large difference what is left out is summed: it is read again rather than kept meanwhile.
    const Update update = spaces.exact ? Update() : updates.read(i);
    try {
      modules[at] = compress_module(updates.modules()[at], update, spaces, options);
    } catch (const Error& error) {
      throw Error("[compress] {}: {}", updates.description(), error.what());
    }
  };
  for_each_parallel(std::ssize(modules), options.threads, options.progress, work, memory);
  return modules;
}

void save_compressed(const std::filesystem::path& out, const std::vector<CompressedModule>& modules,
                     const std::string& base_model, bool conv1d, const std::filesystem::path& adapter) {
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
  if (!adapter.empty()) model::copy_text_files(adapter, folder.path());
  folder.commit();
}

}  // namespace lorry::analysis
