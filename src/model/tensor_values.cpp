#include "model/tensor_values.hpp"

#include <cstring>

#include "core/check.hpp"

namespace lorry::model {

bool is_float_tensor(const io::TensorView& tensor) {
  return tensor.dtype == DType::kF32 || tensor.dtype == DType::kF16 || tensor.dtype == DType::kBF16;
}

void read_floats(const io::TensorView& tensor, Index first, std::span<float> to) {
  LORRY_CHECK(is_float_tensor(tensor));
  LORRY_CHECK(first >= 0 && first + static_cast<Index>(to.size()) <= tensor.elements());
  const auto read = [&]<class T>(T value) {
    const std::byte* from = tensor.bytes.data() + first * static_cast<Index>(sizeof(T));
    for (float& x : to) {
      std::memcpy(&value, from, sizeof(T));  // the bytes need not be aligned
      x = to_float(value);
      from += sizeof(T);
    }
  };
  if (tensor.dtype == DType::kF32) read(float{});
  if (tensor.dtype == DType::kF16) read(F16{});
  if (tensor.dtype == DType::kBF16) read(BF16{});
}

}  // namespace lorry::model
