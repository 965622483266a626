#include "analysis/weight_matrix.hpp"

#include <cmath>

namespace lorry::analysis {

void WeightMatrix::load(ConstMatrixView stored, bool inputs_by_outputs) {
  inputs_by_outputs_ = inputs_by_outputs;
  products_ = {};
  wide_ = stored;
  if (stored.dtype != DType::kF32) {
    converted_.reshape(stored.rows, stored.cols, DType::kF32);
    ops_->copy(stored, converted_);
    wide_ = converted_;
  }
  norm_ = std::sqrt(ops_->sum_of_squares(wide_));
}

DenseF WeightMatrix::multiply(const DenseF& x, bool transpose_stored, Index rows) {
  DenseF result(rows, x.cols());
  ops_->matmul(transposed_view(x), wide_, transposed_view(result), {.transpose_b = transpose_stored});
  ++products_.passes;
  products_.columns += x.cols();
  return result;
}

DenseF WeightMatrix::times(const DenseF& x) {
  return multiply(x, !inputs_by_outputs_, outputs());
}

DenseF WeightMatrix::transposed_times(const DenseF& y) {
  return multiply(y, inputs_by_outputs_, inputs());
}

Dense WeightMatrix::in_double() const {
  using RowMajorF = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const Eigen::Map<const RowMajorF, 0, Eigen::OuterStride<>> stored(
      wide_.row<float>(0), wide_.rows, wide_.cols, Eigen::OuterStride<>(wide_.stride));
  if (inputs_by_outputs_) return stored.transpose().cast<double>();
  return stored.cast<double>();
}

}  // namespace lorry::analysis
