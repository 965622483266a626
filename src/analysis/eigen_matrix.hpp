// analysis/eigen_matrix.hpp: between Grid, views and Eigen, for this folder's sources alone: no result holds
// an Eigen type. Eigen runs on one thread here; the work is shared out by module (analysis/parallel.hpp).
#pragma once
#include <Eigen/Core>

#include "analysis/grid.hpp"
#include "tensor/matrix.hpp"

namespace lorry::analysis {

using Dense = Eigen::MatrixXd;  // column-major
using Vector = Eigen::VectorXd;
using DenseF = Eigen::MatrixXf;  // column-major: an [n,k] one lies in memory as a row-major [k,n] view does
using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

inline Eigen::Map<const RowMajor> as_eigen(const Grid& grid) {
  return {grid.values.data(), grid.rows, grid.cols};
}

template <class Derived>
Grid to_grid(const Eigen::MatrixBase<Derived>& matrix) {
  Grid grid(matrix.rows(), matrix.cols());
  Eigen::Map<RowMajor>(grid.values.data(), grid.rows, grid.cols) = matrix;
  return grid;
}

inline std::vector<double> to_list(const Vector& vector) {
  return {vector.data(), vector.data() + vector.size()};
}

/// The transpose of `matrix` as a view: [k,n] F32 of an [n,k].
inline MatrixView transposed_view(DenseF& matrix) {
  return {reinterpret_cast<std::byte*>(matrix.data()), matrix.cols(), matrix.rows(), matrix.rows(),
          DType::kF32};
}
inline ConstMatrixView transposed_view(const DenseF& matrix) {
  return {reinterpret_cast<const std::byte*>(matrix.data()), matrix.cols(), matrix.rows(), matrix.rows(),
          DType::kF32};
}

}  // namespace lorry::analysis
