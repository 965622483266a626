#include "analysis/small_svd.hpp"

#include <Eigen/QR>
#include <Eigen/SVD>
#include <algorithm>

namespace lorry::analysis {

Svd svd(const Dense& matrix) {
  if (matrix.size() == 0) return {Dense(matrix.rows(), 0), Vector(0), Dense(matrix.cols(), 0)};
  if (matrix.rows() < matrix.cols()) {
    Svd turned = svd(matrix.transpose());
    return {std::move(turned.right), std::move(turned.sigma), std::move(turned.left)};
  }
  if (matrix.rows() > matrix.cols()) {
    const Qr tall = qr(matrix);
    Svd core = svd(tall.r);
    return {tall.q * core.left, std::move(core.sigma), std::move(core.right)};
  }
  const Eigen::BDCSVD<Dense> result(matrix, Eigen::ComputeThinU | Eigen::ComputeThinV);
  return {result.matrixU(), result.singularValues(), result.matrixV()};
}

Svd svd_values(const Dense& matrix) {
  if (matrix.size() == 0) return {};
  if (matrix.rows() < matrix.cols()) return svd_values(matrix.transpose());
  if (matrix.rows() > matrix.cols()) {
    const Eigen::HouseholderQR<Dense> tall(matrix);
    return svd_values(tall.matrixQR().topRows(matrix.cols()).triangularView<Eigen::Upper>());
  }
  return {{}, Eigen::BDCSVD<Dense>(matrix).singularValues(), {}};
}

Qr qr(const Dense& matrix) {
  const Index k = std::min(matrix.rows(), matrix.cols());
  const Eigen::HouseholderQR<Dense> result(matrix);
  return {result.householderQ() * Dense::Identity(matrix.rows(), k),
          result.matrixQR().topRows(k).triangularView<Eigen::Upper>()};
}

Index count_above(const Vector& sigma, double tolerance) {
  Index count = 0;
  while (count < sigma.size() && sigma[count] > tolerance) ++count;
  return count;
}

}  // namespace lorry::analysis
