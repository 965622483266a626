#include "analysis/live.hpp"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "analysis/basis.hpp"
#include "analysis/parallel.hpp"
#include "analysis/small_svd.hpp"
#include "analysis/spectrum.hpp"
#include "ops/ops.hpp"

namespace lorry::analysis {

namespace {

using ConstMapF = Eigen::Map<const DenseF, 0, Eigen::OuterStride<>>;

/// A row-major F32 view [R,n] as the [n,R] matrix that lies in memory.
ConstMapF turned(ConstMatrixView view) {
  return {view.row<float>(0), view.cols, view.rows, Eigen::OuterStride<>(view.stride)};
}

}  // namespace

/// ΔW's directions at one measurement.
struct LiveMonitor::State {
  struct Directions {
    Dense left;   // [O,p]
    Dense right;  // [I,p]
  };
  Index threads = 0;
  std::unordered_map<std::string, Directions> before;
  std::unordered_map<std::string, double> weight_norms;  // W is frozen: read once
  std::vector<std::unique_ptr<ops::Ops>> ops;            // one per thread
};

namespace {

template <class Directions>
void compare(const Directions& before, const Directions& now, LiveFigures& figures) {
  const Index k = std::min({figures.sufficient_rank, before.left.cols(), now.left.cols()});
  if (k < 1) return;
  const Dense left = before.left.leftCols(k).transpose() * now.left.leftCols(k);
  const Dense right = before.right.leftCols(k).transpose() * now.right.leftCols(k);
  figures.compared = true;
  figures.compared_at = k;
  figures.settled_left = std::min(1.0, left.squaredNorm() / static_cast<double>(k));
  figures.settled_right = std::min(1.0, right.squaredNorm() / static_cast<double>(k));
  figures.settled_top = std::min({1.0, left(0, 0) * left(0, 0), right(0, 0) * right(0, 0)});
}

double frobenius_norm(WeightView view) {
  Eigen::VectorXf row(view.cols);
  double squares = 0;
  for (Index i = 0; i < view.rows; ++i) {
    view.read_row(i, row.data());
    squares += static_cast<double>(row.squaredNorm());
  }
  return std::sqrt(squares);
}

/// ‖U^T W V‖_F. W is read once, by the kernel for thin products where that knows its type.
double project(ops::Ops& ops, const LiveModule& module, const Dense& left, const Dense& right) {
  // Stored is W [O,I] or its transpose; the near side is the one along its rows.
  const Dense& near = module.inputs_by_outputs ? left : right;
  const Dense& far = module.inputs_by_outputs ? right : left;
  const DenseF near_f = near.cast<float>();
  const Index r = near.cols();
  if (!module.weight.is(DType::kBF16) && !module.weight.is(DType::kF32)) {
    DenseF turned_image(module.weight.rows, r);
    ops.matmul(transposed_view(near_f), module.weight, transposed_view(turned_image), {.transpose_b = true});
    return (far.transpose() * turned_image.cast<double>()).norm();
  }
  Matrix image(module.weight.rows, r);  // stored * near
  ops.low_rank_project(module.weight.as_dense(), transposed_view(near_f), 1.0F, image);
  return (turned(image).cast<double>() * far).norm();
}

}  // namespace

LiveMonitor::LiveMonitor(Index threads) : state_(std::make_unique<State>()) {
  state_->threads = threads;
}
LiveMonitor::~LiveMonitor() = default;
LiveMonitor::LiveMonitor(LiveMonitor&&) noexcept = default;
LiveMonitor& LiveMonitor::operator=(LiveMonitor&&) noexcept = default;

std::vector<LiveFigures> LiveMonitor::measure(std::span<const LiveModule> modules) {
  std::vector<LiveFigures> all(modules.size());
  std::vector<State::Directions> directions(modules.size());
  const auto wanted = std::min(worker_count(state_->threads), static_cast<Index>(modules.size()));
  while (static_cast<Index>(state_->ops.size()) < wanted) state_->ops.push_back(ops::make_cpu_ops(1));
  for_each_parallel(static_cast<Index>(modules.size()), state_->threads, {}, [&](Index i, Index worker) {
    const LiveModule& module = modules[static_cast<std::size_t>(i)];
    LiveFigures& figures = all[static_cast<std::size_t>(i)];
    figures.module = module.name;
    Dense a;
    Dense b;
    const Basis inputs = Basis::of(turned(module.a).cast<double>(), a);
    const Basis outputs = Basis::of(turned(module.b_transposed).cast<double>(), b);
    const Dense core = module.scale * (b * a.transpose());
    if (!core.allFinite()) {
      figures.finite = false;
      return;
    }
    const Svd parts = svd(core);
    const Index rank = count_above(parts.sigma, 1e-12 * parts.sigma[0]);
    figures.zero = rank == 0;
    if (rank == 0) return;
    const SpectrumFigures spectrum = spectrum_figures(to_list(parts.sigma.head(rank)), 0.9);
    figures.delta_norm = spectrum.frobenius_norm;
    figures.effective_rank = spectrum.effective_rank;
    figures.top_share = spectrum.top_share;
    figures.sufficient_rank = spectrum.sufficient_rank.value_or(rank);
    State::Directions& now = directions[static_cast<std::size_t>(i)];
    now.left = outputs.times(parts.left.leftCols(rank));
    now.right = inputs.times(parts.right.leftCols(rank));
    if (!module.weight.empty()) {
      const auto known = state_->weight_norms.find(module.name);
      figures.weight_norm =
          known != state_->weight_norms.end() ? known->second : frobenius_norm(module.weight);
      const double projected =
          project(*state_->ops[static_cast<std::size_t>(worker)], module, now.left, now.right);
      if (projected > 0) figures.amplification = figures.delta_norm / projected;
      if (module.on_read) module.on_read();
    }
    const auto before = state_->before.find(module.name);
    if (before != state_->before.end()) compare(before->second, now, figures);
  });
  state_->before.clear();
  for (std::size_t i = 0; i < modules.size(); ++i) {
    if (all[i].weight_norm > 0) state_->weight_norms[modules[i].name] = all[i].weight_norm;
    if (directions[i].left.size() > 0) state_->before[modules[i].name] = std::move(directions[i]);
  }
  return all;
}

std::vector<LiveDirections> LiveMonitor::directions() const {
  std::vector<LiveDirections> all;
  all.reserve(state_->before.size());
  for (const auto& [module, directions] : state_->before) {
    all.push_back({module, to_grid(directions.left), to_grid(directions.right)});
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.module < b.module; });
  return all;
}

void LiveMonitor::set_directions(const std::vector<LiveDirections>& directions) {
  state_->before.clear();
  for (const LiveDirections& one : directions) {
    state_->before[one.module] = {as_eigen(one.left), as_eigen(one.right)};
  }
}

}  // namespace lorry::analysis
