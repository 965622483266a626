// optim/parameter.hpp: what an optimiser needs to know of a tensor that trains.
#pragma once
#include <string>

#include "tensor/matrix.hpp"

namespace lorry::optim {

/// Borrows a trained matrix and its gradient; both must outlive whoever holds this.
struct Parameter {
  std::string name;
  MatrixView value;      // [R,C] F32, contiguous
  MatrixView gradient;   // [R,C] F32, contiguous; d(loss)/d(value), accumulated by the backward pass
  bool decay = true;     // whether weight decay applies
  double lr_factor = 1;  // multiplies the learning rate
};

}  // namespace lorry::optim
