// ops/cpu/scratch.hpp: memory that grows and is used again.
#pragma once
#include "tensor/matrix.hpp"

namespace lorry::ops::cpu {

/// Not initialised; a view lasts until the next one is asked for.
class Scratch {
 public:
  MatrixView view(Index rows, Index cols, DType dtype) {
    const Index bytes = rows * cols * size_of(dtype);
    if (bytes > memory_.bytes()) memory_.reshape(1, bytes, DType::kU8);
    return {memory_.view().data, rows, cols, cols, dtype};
  }

 private:
  Matrix memory_;
};

}  // namespace lorry::ops::cpu
