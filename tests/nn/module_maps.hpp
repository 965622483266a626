// tests/nn/module_maps.hpp: linear maps with everything that can train, for the checks of modules made of
// them.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "nn/gradient_check.hpp"
#include "nn/linear.hpp"

namespace lorry::nn {

struct MapOptions {
  Index rank = 3;      // 0: no update
  float scale = 0.7F;  // alpha / rank
  float dropout = 0.0F;
  bool bias = true;
  bool conv1d = false;
  bool full = false;  // the matrix and the bias train too
  bool dora = false;  // with a magnitude NAME.m and a constant NAME.norm, neither like the other
};

/// Makes linear maps over random operands and owns what they borrow: updates (B not zero) and gradients,
/// which start at random values, since backward must add to them.
class Maps {
 public:
  Maps(Operands& operands, DType weight_type) : operands_(operands), weight_type_(weight_type) {}

  Linear make(const std::string& name, Index inputs, Index outputs, const MapOptions& options) {
    const float deviation = 1.0F / std::sqrt(static_cast<float>(inputs));
    const bool conv1d = options.conv1d;
    Matrix& weight = operands_.add(name + ".weight", conv1d ? inputs : outputs, conv1d ? outputs : inputs,
                                   weight_type_, deviation);
    ConstMatrixView bias;
    if (options.bias) bias = operands_.add(name + ".bias", 1, outputs);
    Linear linear(name, number_++, {.matrix = weight, .bias = bias, .inputs_by_outputs = conv1d});
    if (options.rank > 0) linear.set_update(make_update(name, inputs, outputs, options));
    if (options.full) {
      linear.set_gradients({.matrix = gradient(name + ".weight", weight.rows(), weight.cols()),
                            .bias = options.bias ? gradient(name + ".bias", 1, outputs) : MatrixView{}});
    }
    return linear;
  }

  /// One more update, of the outputs [first, first + outputs) of `linear`; its operands are NAME.a and
  /// NAME.b.
  void add_update(Linear& linear, const std::string& name, Index first, Index outputs,
                  const MapOptions& options) {
    linear.add_update(make_update(name, linear.inputs(), outputs, options), first);
  }

  /// A gradient that starts at random values; compared by expect_gradients.
  MatrixView gradient(const std::string& name, Index rows, Index cols) {
    Matrix& matrix = gradients_[name];
    matrix = testing::random_matrix(rows, cols, DType::kF32, 900 + gradients_.size());
    views_[name] = matrix;
    before_[name] = ops::reference::dense<double>(matrix);
    return matrix;
  }

  /// What was added to each gradient since it was made.
  [[nodiscard]] Values<double> added_gradients() const {
    Values<double> all;
    for (const auto& [name, view] : views_) all[name] = added(view, before_.at(name));
    return all;
  }

  /// Everything that was added to the gradients since they were made is as `want` says.
  void expect_gradients(const Values<double>& want, testing::Tolerance tolerance) const {
    for (const auto& [name, got] : added_gradients()) {
      EXPECT_TRUE(testing::near(got, want.at(name), tolerance)) << "gradient of " << name;
    }
  }

 private:
  LowRankUpdate* make_update(const std::string& name, Index inputs, Index outputs,
                             const MapOptions& options) {
    updates_.push_back(std::make_unique<LowRankUpdate>());
    LowRankUpdate& update = *updates_.back();
    update.rank = options.rank;
    update.scale = options.scale;
    update.dropout = options.dropout;
    update.a = copy_of(operands_.add(name + ".a", options.rank, inputs, DType::kF32, 0.5F));
    update.b_transposed = copy_of(operands_.add(name + ".b", options.rank, outputs, DType::kF32, 0.5F));
    update.a_gradient = copy_of(gradient_matrix(name + ".a", options.rank, inputs));
    update.b_gradient = copy_of(gradient_matrix(name + ".b", options.rank, outputs));
    views_[name + ".a"] = update.a_gradient;
    views_[name + ".b"] = update.b_gradient;
    if (options.dora) {
      update.magnitude = copy_of(operands_.add(name + ".m", 1, outputs));
      update.magnitude_gradient = copy_of(gradient_matrix(name + ".m", 1, outputs));
      views_[name + ".m"] = update.magnitude_gradient;
      update.norm = copy_of(operands_.add(name + ".norm", 1, outputs));
      float* const norm = update.norm.row<float>(0);
      for (Index j = 0; j < outputs; ++j) {
        norm[j] = std::abs(norm[j]) + 0.5F;
        operands_.values[name + ".norm"](0, j) = static_cast<double>(norm[j]);
      }
    }
    return &update;
  }

  Matrix& gradient_matrix(const std::string& name, Index rows, Index cols) {
    gradient(name, rows, cols);
    return gradients_.at(name);
  }

  static Matrix copy_of(const Matrix& from) {
    Matrix to(from.rows(), from.cols());
    std::copy_n(from.row<float>(0), from.size(), to.row<float>(0));
    return to;
  }

  Operands& operands_;
  DType weight_type_;
  Index number_ = 5;
  std::vector<std::unique_ptr<LowRankUpdate>> updates_;
  std::map<std::string, Matrix> gradients_;
  std::map<std::string, ConstMatrixView> views_;
  std::map<std::string, Dense<double>> before_;
};

}  // namespace lorry::nn
