#include "analysis/weight_matrix.hpp"

#include <cmath>

namespace lorry::analysis {

namespace {

using RowMajorF = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using RowMajorMap = Eigen::Map<const RowMajorF, 0, Eigen::OuterStride<>>;

RowMajorMap as_eigen(ConstMatrixView view) {
  return {view.row<float>(0), view.rows, view.cols, Eigen::OuterStride<>(view.stride)};
}

}  // namespace

void WeightMatrix::load(WeightView stored, bool inputs_by_outputs) {
  inputs_by_outputs_ = inputs_by_outputs;
  products_ = {};
  has_transposed_ = false;
  if (stored.is(DType::kF32) || stored.is(DType::kBF16)) {
    stored_ = stored.dense;
  } else {
    converted_.reshape(stored.rows, stored.cols, DType::kF32);
    ops_->copy(stored, converted_);
    stored_ = converted_;
  }
  norm_ = std::sqrt(ops_->sum_of_squares(stored_));
}

DenseF WeightMatrix::multiply(const DenseF& x, bool across) {
  if (across && !has_transposed_) {
    transposed_.reshape(stored_.cols, stored_.rows, stored_.dtype);
    ops_->transpose(stored_, transposed_);
    has_transposed_ = true;
  }
  const ConstMatrixView matrix = across ? transposed_ : stored_;
  Matrix result(matrix.rows, x.cols());
  ops_->low_rank_project(matrix, transposed_view(x), 1.0F, result);
  ++products_.passes;
  products_.columns += x.cols();
  return as_eigen(result);
}

DenseF WeightMatrix::times(const DenseF& x) {
  return multiply(x, inputs_by_outputs_);
}

DenseF WeightMatrix::transposed_times(const DenseF& y) {
  return multiply(y, !inputs_by_outputs_);
}

Dense WeightMatrix::in_double() const {
  Matrix wide(stored_.rows, stored_.cols);
  ops_->copy(stored_, wide);
  if (inputs_by_outputs_) return as_eigen(wide).transpose().cast<double>();
  return as_eigen(wide).cast<double>();
}

}  // namespace lorry::analysis
