#include "analysis/amplification.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "analysis/linear_weights.hpp"
#include "analysis/memory.hpp"
#include "analysis/parallel.hpp"
#include "analysis/spaces.hpp"
#include "analysis/subspace.hpp"
#include "analysis/top_directions.hpp"
#include "core/error.hpp"
#include "io/message_text.hpp"

namespace lorry::analysis {

const LinearWeight& weight_of(const UpdateInfo& info, const UpdateSource& updates,
                              const LinearWeights& weights) {
  const LinearWeight* weight = weights.find(info.module);
  if (weight == nullptr) {
    throw Error("[amplification] {}: module {} is not in {}; expected the model that the update belongs to",
                updates.description(), io::in_quotes(info.module), weights.path().string());
  }
  if (weight->outputs() != info.outputs || weight->inputs() != info.inputs) {
    throw Error(
        "[amplification] {}: module {} is [{},{}]; {} has [{},{}]; expected the model that it belongs to",
        updates.description(), io::in_quotes(info.module), info.outputs, info.inputs, weights.path().string(),
        weight->outputs(), weight->inputs());
  }
  return *weight;
}

Index weight_directions(const AmplificationOptions& options, Index side) {
  if (options.weight_directions > 0) return std::min(options.weight_directions, side);
  return std::clamp<Index>(side / 8, 1, 64);
}

namespace {

/// ‖U^T W V‖_F for each of several pairs of frames of equal width, in one pass over W: by V where W's rows
/// are outputs, else by U, since products along stored rows are the faster ones.
std::vector<double> projections(WeightMatrix& weight, const std::vector<Dense>& left,
                                const std::vector<Dense>& right) {
  const bool inputs_by_outputs = weight.inputs_by_outputs();
  const std::vector<Dense>& first = inputs_by_outputs ? left : right;
  const std::vector<Dense>& second = inputs_by_outputs ? right : left;
  const Index r = first.front().cols();
  DenseF stacked(first.front().rows(), r * static_cast<Index>(first.size()));
  for (std::size_t i = 0; i < first.size(); ++i) {
    stacked.middleCols(static_cast<Index>(i) * r, r) = first[i].cast<float>();
  }
  const Dense images =
      (inputs_by_outputs ? weight.transposed_times(stacked) : weight.times(stacked)).cast<double>();
  std::vector<double> norms;
  for (std::size_t i = 0; i < second.size(); ++i) {
    norms.push_back((images.middleCols(static_cast<Index>(i) * r, r).transpose() * second[i]).norm());
  }
  return norms;
}

/// FNV-1a: a module's own stream, whichever modules are measured beside it.
std::uint64_t stream_of(const std::string& module) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : module) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash;
}

/// U^T W V by ΔW's directions and by random ones.
void project(WeightMatrix& weight, const Dense& left, const Dense& right, const AmplificationOptions& options,
             ModuleAmplification& result) {
  std::vector<Dense> lefts = {left};
  std::vector<Dense> rights = {right};
  for (Index s = 0; s < options.random_seeds; ++s) {
    const std::uint64_t stream = stream_of(result.info.module) + static_cast<std::uint64_t>(2 * s);
    lefts.push_back(random_frame(left.rows(), left.cols(), options.seed, stream));
    rights.push_back(random_frame(right.rows(), right.cols(), options.seed, stream + 1));
  }
  const std::vector<double> norms = projections(weight, lefts, rights);
  const MeanSpread random = mean_spread({norms.begin() + 1, norms.end()});
  result.projected_delta = norms.front();
  result.projected_random = random.mean;
  result.projected_random_spread = random.spread;
}

ModuleAmplification measure(Update update, const LinearWeight& stored, ops::Ops& ops,
                            const AmplificationOptions& options) {
  ModuleAmplification result{.info = update.info};
  DecompositionOptions decomposition = options.decomposition;
  decomposition.top = std::max(decomposition.top, options.directions);
  const Spaces spaces = spaces_of(std::move(update), Parts::kDirections, decomposition);
  result.delta_norm = spaces.frobenius_norm;
  result.coverage = spaces.coverage();
  const Index rank = spaces.rank();
  const Index r = options.directions > 0 ? std::min(options.directions, rank) : rank;
  result.directions = r;
  if (r > 0) {
    result.energy = std::min(1.0, std::pow(spaces.row.sigma.head(r).norm() / spaces.frobenius_norm, 2));
  }
  result.note = spaces.note;
  const std::vector<Index>& ties = spaces.row.ties;
  if (r < rank && std::find(ties.begin(), ties.end(), r) != ties.end()) {
    result.note = fmt::format(
        "singular values {} and {} of ΔW are the same: its top {} are a matter of rounding", r, r + 1, r);
  }
  WeightMatrix weight(ops);
  weight.load(stored.stored, stored.inputs_by_outputs);
  result.weight_norm = weight.norm();
  if (!std::isfinite(result.weight_norm)) {
    throw Error("[amplification] tensor {}: found NaN or infinity; expected finite weights",
                io::in_quotes(stored.tensor));
  }
  const Index w = weight_directions(options, std::min(result.info.outputs, result.info.inputs));
  const TopDirections top = top_directions(weight, std::max(w, r), {.seed = options.seed});
  result.weight_singular_values = to_list(top.sigma);
  result.weight_exact = top.exact;
  result.weight_residual = top.residual;
  result.projected_weight = top.sigma.head(r).norm();
  if (r > 0) {
    const Dense left = spaces.left(r);
    const Dense right = spaces.right(r);
    project(weight, left, right, options, result);
    if (result.weight_norm > 0) {  // else it has no directions
      result.phi_left = phi_grid(top.left.leftCols(w).transpose() * left);
      result.phi_right = phi_grid(top.right.leftCols(w).transpose() * right);
    }
    if (result.projected_delta > 0) {
      result.amplification = result.delta_norm / result.projected_delta;
    } else {
      result.note = "W is zero in ΔW's directions: no amplification factor";
    }
  }
  result.products = weight.products();
  return result;
}

}  // namespace

AmplificationReport measure_amplification(const UpdateSource& updates, const std::filesystem::path& model,
                                          const AmplificationOptions& options) {
  const LinearWeights weights(model);
  const std::vector<UpdateInfo>& infos = updates.modules();
  AmplificationReport report;
  for (const UpdateInfo& info : infos) {
    report.weight_bytes += weight_of(info, updates, weights).stored.bytes();
  }
  report.modules.resize(infos.size());
  std::vector<std::unique_ptr<ops::Ops>> all_ops;
  for (Index i = std::min(worker_count(options.threads), std::ssize(infos)); i > 0; --i) {
    all_ops.push_back(ops::make_cpu_ops(1));
  }
  MemoryShares memory;
  if (options.memory > 0) memory = {amplification_memory(updates, weights, options).modules, options.memory};
  const auto work = [&](Index i, Index worker) {
    const LinearWeight& weight = *weights.find(infos[static_cast<std::size_t>(i)].module);
    report.modules[static_cast<std::size_t>(i)] =
        measure(updates.read(i), weight, *all_ops[static_cast<std::size_t>(worker)], options);
    weights.forget_all();
  };
  for_each_parallel(std::ssize(infos), options.threads, options.progress, work, memory);
  report.controls = ControlTable(options.random_seeds, options.seed);
  std::vector<ControlTable::Shape> shapes;
  for (const ModuleAmplification& module : report.modules) {
    shapes.emplace_back(module.info.outputs, module.phi_left.rows, module.phi_left.cols);
    shapes.emplace_back(module.info.inputs, module.phi_right.rows, module.phi_right.cols);
  }
  report.controls.prepare(shapes, options.threads, options.memory);
  return report;
}

}  // namespace lorry::analysis
