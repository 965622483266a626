// tensor/dtype.hpp: element types as they lie in files and memory.
#pragma once
#include <bit>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/index.hpp"

namespace lorry {

enum class DType : std::uint8_t { kF64, kF32, kF16, kBF16, kI64, kI32, kI16, kI8, kU8, kBool };

/// Bytes of one element.
Index size_of(DType dtype);

/// The name safetensors uses: "F32", "BF16", ...
std::string_view name_of(DType dtype);

/// The inverse of name_of; empty for a name Lorry does not know.
std::optional<DType> dtype_from_name(std::string_view name);

/// The upper half of a float32.
struct BF16 {
  std::uint16_t bits = 0;
};

/// IEEE binary16, stored only; arithmetic happens in float32.
struct F16 {
  std::uint16_t bits = 0;
};

inline float to_float(float x) {
  return x;
}
inline float to_float(BF16 x) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(x.bits) << 16);
}
float to_float(F16 x);

/// Rounds to nearest even; a NaN stays a NaN.
inline BF16 to_bf16(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return {static_cast<std::uint16_t>((bits >> 16) | 0x40U)};
  return {static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16)};
}

/// Rounds to nearest even; overflow becomes infinity.
F16 to_f16(float x);

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::kF32;
};
template <>
struct DTypeOf<BF16> {
  static constexpr DType value = DType::kBF16;
};
template <>
struct DTypeOf<F16> {
  static constexpr DType value = DType::kF16;
};
template <>
struct DTypeOf<std::uint8_t> {
  static constexpr DType value = DType::kU8;
};

}  // namespace lorry
