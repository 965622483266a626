#include "analysis/similarity.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/memory.hpp"
#include "analysis/parallel.hpp"
#include "analysis/spaces.hpp"
#include "analysis/subspace.hpp"
#include "core/error.hpp"

namespace lorry::analysis {

namespace {

/// `overlaps` = Q_1^T Q_2 of the two bases that the directions lie in.
SubspaceSimilarity compare_directions(const Directions& first, const Directions& second,
                                      const Dense& overlaps, Index dimension) {
  SubspaceSimilarity result{.dimension = dimension};
  if (first.count() == 0 || second.count() == 0) return result;
  result.phi = phi_grid(first.rotation.transpose() * overlaps * second.rotation);
  result.ties_first = first.ties;
  result.ties_second = second.ties;
  return result;
}

ModuleSimilarity compare_module(const UpdateInfo& info, const Spaces& x, const Spaces& y) {
  ModuleSimilarity result{.module = info.module, .first = x.coverage(), .second = y.coverage()};
  const Dense inputs = x.inputs.overlaps(y.inputs);
  const Dense outputs = x.outputs.overlaps(y.outputs);
  if (x.factored && y.factored) {
    result.a = compare_directions(x.a, y.a, inputs, info.inputs);
    result.b = compare_directions(x.b, y.b, outputs, info.outputs);
  }
  result.row = compare_directions(x.row, y.row, inputs, info.inputs);
  result.column = compare_directions(x.column, y.column, outputs, info.outputs);
  if (!x.note.empty()) result.note = "in the first, " + x.note;
  if (!x.note.empty() && !y.note.empty()) result.note += "; ";
  if (!y.note.empty()) result.note += "in the second, " + y.note;
  return result;
}

void prepare_controls(SimilarityReport& report, const SimilarityOptions& options) {
  std::vector<ControlTable::Shape> shapes;
  for (const ModuleSimilarity& module : report.modules) {
    for (const SubspaceSimilarity* space : {&module.a, &module.b, &module.row, &module.column}) {
      shapes.emplace_back(space->dimension, space->phi.rows, space->phi.cols);
    }
  }
  report.controls.prepare(shapes, options.threads, options.memory);
}

}  // namespace

std::vector<ModulePair> common_modules(const UpdateSource& first, const UpdateSource& second,
                                       std::vector<SkippedModule>& skipped) {
  std::map<std::string, Index> in_second;
  for (std::size_t i = 0; i < second.modules().size(); ++i) {
    in_second[second.modules()[i].module] = static_cast<Index>(i);
  }
  std::vector<ModulePair> pairs;
  for (std::size_t i = 0; i < first.modules().size(); ++i) {
    const UpdateInfo& x = first.modules()[i];
    const auto found = in_second.find(x.module);
    if (found == in_second.end()) {
      skipped.push_back({x.module, "only in the first"});
      continue;
    }
    const UpdateInfo& y = second.modules()[static_cast<std::size_t>(found->second)];
    if (x.outputs == y.outputs && x.inputs == y.inputs) {
      pairs.push_back({static_cast<Index>(i), found->second});
    } else {
      skipped.push_back({x.module, fmt::format("[{},{}] in the first, [{},{}] in the second", x.outputs,
                                               x.inputs, y.outputs, y.inputs)});
    }
    in_second.erase(found);
  }
  for (const UpdateInfo& info : second.modules()) {
    if (in_second.contains(info.module)) skipped.push_back({info.module, "only in the second"});
  }
  return pairs;
}

bool SubspaceSimilarity::determined(Index i, Index j) const {
  return std::find(ties_first.begin(), ties_first.end(), i) == ties_first.end() &&
         std::find(ties_second.begin(), ties_second.end(), j) == ties_second.end();
}

double SubspaceSimilarity::distance(Index i, Index j) const {
  return std::sqrt(static_cast<double>(std::min(i, j)) * (1.0 - phi.at(i - 1, j - 1)));
}

double SubspaceSimilarity::top() const {
  return phi.empty() ? 0.0 : phi.at(0, 0);
}

double SubspaceSimilarity::whole() const {
  const Index p = std::min(phi.rows, phi.cols);
  return phi.empty() ? 0.0 : phi.at(p - 1, p - 1);
}

SimilarityReport measure_similarity(const UpdateSource& first, const UpdateSource& second,
                                    const SimilarityOptions& options) {
  SimilarityReport report;
  const std::vector<ModulePair> pairs = common_modules(first, second, report.skipped);
  if (pairs.empty()) {
    throw Error(
        "[similarity] {}: no module in common with {} (module \"{}\": {}); adapters of different models? (or "
        "parts "
        "of a fused map in one, and the whole in the other)",
        first.description(), second.description(), report.skipped.front().module,
        report.skipped.front().reason);
  }
  report.modules.resize(pairs.size());
  MemoryShares memory;
  if (options.memory > 0) memory = {similarity_memory(first, second, options).modules, options.memory};
  const auto compare = [&](Index i, Index) {
    const auto at = static_cast<std::size_t>(i);
    const Spaces x = spaces_of(first.read(pairs[at].first), Parts::kFactors, options.decomposition);
    const Spaces y = spaces_of(second.read(pairs[at].second), Parts::kFactors, options.decomposition);
    report.modules[at] = compare_module(first.modules()[static_cast<std::size_t>(pairs[at].first)], x, y);
  };
  for_each_parallel(std::ssize(pairs), options.threads, options.progress, compare, memory);
  report.controls = ControlTable(options.control_seeds, options.seed);
  if (options.controls) prepare_controls(report, options);
  return report;
}

}  // namespace lorry::analysis
