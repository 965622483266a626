// analysis/weight_matrix.hpp: one W for products with few vectors, for this folder's sources alone. Read once
// from where it is mapped and kept in F32, in which every product then runs.
//
// Legend: O outputs, I inputs, K vectors.
#pragma once
#include "analysis/amplification.hpp"
#include "analysis/eigen_matrix.hpp"
#include "ops/ops.hpp"

namespace lorry::analysis {

/// Reusable: one per thread, loaded with one matrix after another. Borrows `ops`.
class WeightMatrix {
 public:
  explicit WeightMatrix(ops::Ops& ops) : ops_(&ops) {}

  /// `stored` is [O,I], or [I,O] if inputs_by_outputs; F32 (borrowed), F16 or BF16 (converted).
  void load(ConstMatrixView stored, bool inputs_by_outputs);

  [[nodiscard]] Index outputs() const noexcept { return inputs_by_outputs_ ? wide_.cols : wide_.rows; }
  [[nodiscard]] Index inputs() const noexcept { return inputs_by_outputs_ ? wide_.rows : wide_.cols; }
  /// Whether it is stored [I,O].
  [[nodiscard]] bool inputs_by_outputs() const noexcept { return inputs_by_outputs_; }
  /// ‖W‖_F; NaN or infinity if W holds one.
  [[nodiscard]] double norm() const { return norm_; }
  /// W x [O,K] for x [I,K].
  DenseF times(const DenseF& x);
  /// W^T y [I,K] for y [O,K].
  DenseF transposed_times(const DenseF& y);
  /// W [O,I] in float64.
  [[nodiscard]] Dense in_double() const;
  /// What was multiplied since load().
  [[nodiscard]] const ProductCount& products() const noexcept { return products_; }
  [[nodiscard]] ops::Ops& ops() const noexcept { return *ops_; }

 private:
  DenseF multiply(const DenseF& x, bool transpose_stored, Index rows);

  ops::Ops* ops_;
  Matrix converted_;      // F32
  ConstMatrixView wide_;  // as stored, F32
  bool inputs_by_outputs_ = false;
  double norm_ = 0.0;
  ProductCount products_;
};

}  // namespace lorry::analysis
