// What merging should write and lose, worked out in double precision from the files themselves.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "model/quant_loss.hpp"
#include "model/weights.hpp"
#include "nn/linear.hpp"

namespace lorry::model {

/// Every matrix and vector of a model in float32, as Lorry reads it.
inline Matrix read_matrix(const Weights& weights, const std::string& name) {
  const WeightView view = weights.at(name);
  Matrix all(view.rows, view.cols);
  for (Index i = 0; i < view.rows; ++i) view.read_row(i, all.row<float>(i));
  return all;
}

/// scale * B A of an adapted map as [outputs, inputs], in double precision.
inline std::vector<double> update_of(const nn::LowRankUpdate& update) {
  const Index rows = update.b_transposed.cols();
  const Index cols = update.a.cols();
  std::vector<double> delta(static_cast<std::size_t>(rows * cols));
  for (Index r = 0; r < update.rank; ++r) {
    for (Index i = 0; i < rows; ++i) {
      for (Index j = 0; j < cols; ++j) {
        delta[static_cast<std::size_t>(i * cols + j)] += static_cast<double>(update.scale) *
                                                         update.b_transposed.row<float>(r)[i] *
                                                         update.a.row<float>(r)[j];
      }
    }
  }
  return delta;
}

/// What a report should say: `before` and `after` are [outputs, inputs].
inline QuantLoss loss_between(const Matrix& before, const Matrix& after, const std::vector<double>& delta) {
  QuantLoss loss;
  for (Index i = 0; i < before.size(); ++i) {
    const double change = delta[static_cast<std::size_t>(i)];
    const double sum = before.row<float>(0)[i] + change;
    const double error = after.row<float>(0)[i] - sum;
    loss.error_squares += error * error;
    loss.squares += sum * sum;
    loss.update_squares += change * change;
    loss.error_on_update += error * change;
  }
  return loss;
}

inline void expect_same_loss(const QuantLoss& got, const QuantLoss& want, const std::string& name) {
  // Sums of a block are float32.
  EXPECT_NEAR(got.to_update(), want.to_update(), 1e-3 * want.to_update()) << name;
  EXPECT_NEAR(got.kept(), want.kept(), 1e-3) << name;
  EXPECT_NEAR(got.relative(), want.relative(), 1e-3 * want.relative()) << name;
}

inline bool same_bytes(std::span<const std::byte> a, std::span<const std::byte> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

}  // namespace lorry::model
