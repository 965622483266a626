#include "analysis/weight_start.hpp"

#include <algorithm>
#include <cmath>

#include "analysis/parallel.hpp"
#include "analysis/small_svd.hpp"
#include "analysis/weight_matrix.hpp"
#include "core/error.hpp"
#include "core/rng.hpp"

namespace lorry::analysis {

namespace {

constexpr std::uint64_t kProjectionStream = 0x7069737361ULL << 24;  // "pissa": apart from other draws

/// W = B A, or what is nearest to it at this rank.
struct Product {
  Dense b;  // [O,R]
  Dense a;  // [R,I]
};

/// The factors of the R largest singular values, each with their root.
Product balanced(const Dense& left, const Vector& sigma, const Dense& right, Index rank) {
  const Vector root = sigma.head(rank).cwiseSqrt();
  return {.b = left.leftCols(rank) * root.asDiagonal(),
          .a = root.asDiagonal() * right.leftCols(rank).transpose()};
}

Product principal(const WeightMatrix& weight, Index rank) {
  const Svd whole = svd(weight.in_double());
  return balanced(whole.left, whole.sigma, whole.right, rank);
}

/// torch.svd_lowrank(W, rank, iterations): Halko, Martinsson & Tropp 2009, algorithm 5.1 on a subspace
/// iteration.
Product nearly_principal(WeightMatrix& weight, Index rank, Index iterations, Rng rng) {
  const bool tall = weight.outputs() >= weight.inputs();
  const auto times = [&](const Dense& x) {
    const DenseF narrow = x.cast<float>();
    return (tall ? weight.times(narrow) : weight.transposed_times(narrow)).cast<double>().eval();
  };
  const auto back = [&](const Dense& y) {
    const DenseF narrow = y.cast<float>();
    return (tall ? weight.transposed_times(narrow) : weight.times(narrow)).cast<double>().eval();
  };
  Dense start(std::min(weight.inputs(), weight.outputs()), rank);
  for (double& value : start.reshaped()) value = static_cast<double>(rng.next_normal());
  Dense basis = qr(times(start)).q;
  for (Index i = 0; i < iterations; ++i) basis = qr(times(qr(back(basis)).q)).q;
  const Svd parts = svd(back(basis));  // of the transpose of basis^T W
  const Dense outer = basis * parts.right;
  return tall ? balanced(outer, parts.sigma, parts.left, rank)
              : balanced(parts.left, parts.sigma, outer, rank);
}

/// The first columns of Q and rows of R; those columns follow from as many columns of W.
Product triangular(WeightMatrix& weight, Index rank) {
  const DenseF first = DenseF::Identity(weight.inputs(), rank);
  const Dense q = qr(weight.times(first).cast<double>()).q;
  const DenseF narrow = q.cast<float>();
  return {.b = q, .a = weight.transposed_times(narrow).cast<double>().transpose()};
}

/// `factor` [n,R] turned, over its scale.
Matrix as_matrix(const Dense& factor) {
  Matrix result(factor.rows(), factor.cols());
  for (Index i = 0; i < factor.rows(); ++i) {
    for (Index j = 0; j < factor.cols(); ++j) result.row<float>(i)[j] = static_cast<float>(factor(i, j));
  }
  return result;
}

Product begin_of(const model::PeftConfig& config, WeightMatrix& weight, Index rank, Rng rng) {
  switch (config.init_lora_weights) {
    case model::LoraInit::kPissa:
      return principal(weight, rank);
    case model::LoraInit::kPissaNiter:
      return nearly_principal(weight, rank, config.pissa_niter, rng);
    default:
      return triangular(weight, rank);
  }
}

WeightView own_weights(const model::Adapter::Entry& entry, const nn::Linear& linear) {
  const nn::Linear::Weights& weights = linear.weights();
  const Index outputs = entry.update.b_transposed.cols();
  return weights.inputs_by_outputs ? weights.readable().col_range(entry.first_output(), outputs)
                                   : weights.readable().row_range(entry.first_output(), outputs);
}

}  // namespace

void start_from_weights(model::Adapter& adapter, model::Decoder& decoder, std::uint64_t seed, Index threads) {
  const model::PeftConfig& config = adapter.config();
  if (!model::starts_from_weights(config.init_lora_weights)) return;
  auto& entries = adapter.entries();
  const Index workers = std::min(worker_count(threads), static_cast<Index>(entries.size()));
  std::vector<std::unique_ptr<ops::Ops>> all_ops;
  all_ops.reserve(static_cast<std::size_t>(workers));
  for (Index i = 0; i < workers; ++i) all_ops.push_back(ops::make_cpu_ops(1));
  for_each_parallel(static_cast<Index>(entries.size()), workers, {}, [&](Index i, Index worker) {
    model::Adapter::Entry& entry = *entries[static_cast<std::size_t>(i)];
    const nn::Linear* linear = decoder.find_linear(entry.map());
    LORRY_CHECK(linear != nullptr);
    WeightMatrix weight(*all_ops[static_cast<std::size_t>(worker)]);
    weight.load(own_weights(entry, *linear), linear->weights().inputs_by_outputs);
    if (!std::isfinite(weight.norm())) {
      throw Error("[lora] {}: found NaN or infinity in the weights; expected finite numbers", entry.module);
    }
    const Rng rng(seed, kProjectionStream + static_cast<std::uint64_t>(i));
    Product product = begin_of(config, weight, entry.update.rank, rng);
    if (config.init_lora_weights != model::LoraInit::kOlora) {
      const double share = 1.0 / std::sqrt(static_cast<double>(entry.update.scale));
      product.b *= share;
      product.a *= share;
    }
    decoder.let_go(own_weights(entry, *linear));
    entry.begin_with(as_matrix(product.a), as_matrix(product.b.transpose()));
  });
}

}  // namespace lorry::analysis
