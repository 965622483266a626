// tests/nn/gradient_check.hpp: what every gradient check of a module needs: named operands, their gradients
// by complex steps through a reference, and a context to run the module in.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "nn/context.hpp"
#include "ops/reference/elementwise.hpp"
#include "support/complex_step.hpp"
#include "support/near.hpp"
#include "support/random_matrix.hpp"

namespace lorry::nn {

using ops::reference::Dense;

/// Operands of a reference by name.
template <class T>
using Values = std::map<std::string, Dense<T>>;

template <class T>
Values<T> cast(const Values<double>& from) {
  Values<T> to;
  for (const auto& [name, value] : from) to[name] = ops::reference::cast<T>(value);
  return to;
}

/// The gradient of f (Values<Complex> -> Complex) by every value.
template <class F>
Values<double> complex_gradients(F&& f, const Values<double>& at) {
  Values<testing::Complex> point = cast<testing::Complex>(at);
  Values<double> gradients;
  for (const auto& [name, value] : at) {
    const auto varied = [&, &key = name](const testing::ComplexMatrix& x) {
      point[key] = x;
      return f(point);
    };
    gradients[name] = testing::complex_step_gradient(varied, value);
    point[name] = ops::reference::cast<testing::Complex>(value);
  }
  return gradients;
}

/// Random matrices, kept alive, with the same values (as rounded to their type) as operands of a reference.
class Operands {
 public:
  Matrix& add(const std::string& name, Index rows, Index cols, DType dtype = DType::kF32,
              float deviation = 1.0F) {
    matrices_[name] = testing::random_matrix(rows, cols, dtype, ++seed_, deviation);
    values[name] = ops::reference::dense<double>(matrices_[name]);
    return matrices_[name];
  }
  Matrix& at(const std::string& name) { return matrices_.at(name); }
  [[nodiscard]] bool has(const std::string& name) const { return matrices_.contains(name); }

  Values<double> values;

 private:
  std::map<std::string, Matrix> matrices_;
  std::uint64_t seed_ = 100;
};

/// Float32 sums of a few dozen terms; BF16 rounds every intermediate to 8 bits.
inline testing::Tolerance module_tolerance(DType compute) {
  return compute == DType::kF32 ? testing::Tolerance{.max_rel = 1e-5, .cosine = 1e-9}
                                : testing::Tolerance{.max_rel = 4e-2, .cosine = 1e-3};
}

struct Engine {
  explicit Engine(DType compute) : ops(ops::make_cpu_ops(1)), context{.ops = *ops, .compute = compute} {
    context.training = true;
    context.dropout_seed = 77;
    context.micro_step = 3;
  }
  std::unique_ptr<ops::Ops> ops;
  Context context;
};

/// got minus what it held before: gradients are added to.
inline Dense<double> added(ConstMatrixView got, const Dense<double>& before) {
  Dense<double> difference = ops::reference::dense<double>(got);
  ops::reference::add(before, -1.0, difference);
  return difference;
}

}  // namespace lorry::nn
