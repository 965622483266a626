// analysis/weight_matrix.hpp: one W for products with few vectors, for this folder's sources alone.
//
// Legend: O outputs, I inputs, K vectors.
#pragma once
#include "analysis/amplification.hpp"
#include "analysis/eigen_matrix.hpp"
#include "ops/ops.hpp"

namespace lorry::analysis {

/// Products in float32 by the kernel for thin ones, W in its own type where it is mapped (F32, BF16; others
/// are converted). That kernel runs along stored rows: for the products across them a transposed copy is made
/// when the first is asked for. Reusable: one per thread, loaded with one matrix after another. Borrows
/// `ops`.
class WeightMatrix {
 public:
  explicit WeightMatrix(ops::Ops& ops) : ops_(&ops) {}

  /// `stored` is [O,I], or [I,O] if inputs_by_outputs; must live until the next load.
  void load(WeightView stored, bool inputs_by_outputs);

  [[nodiscard]] Index outputs() const noexcept { return inputs_by_outputs_ ? stored_.cols : stored_.rows; }
  [[nodiscard]] Index inputs() const noexcept { return inputs_by_outputs_ ? stored_.rows : stored_.cols; }
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
  /// stored x, or its transpose times x.
  DenseF multiply(const DenseF& x, bool across);

  ops::Ops* ops_;
  ConstMatrixView stored_;  // F32 or BF16
  Matrix converted_;        // of F16, or packed
  Matrix transposed_;       // of stored_, in its type, once it is needed
  bool has_transposed_ = false;
  bool inputs_by_outputs_ = false;
  double norm_ = 0.0;
  ProductCount products_;
};

}  // namespace lorry::analysis
