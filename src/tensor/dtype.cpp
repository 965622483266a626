#include "tensor/dtype.hpp"

#include <array>
#include <utility>

#include "core/check.hpp"

namespace lorry {

namespace {
struct Entry {
  DType dtype;
  std::string_view name;
  Index bytes;
};
constexpr std::array kEntries = {
    Entry{DType::kF64, "F64", 8},   Entry{DType::kF32, "F32", 4}, Entry{DType::kF16, "F16", 2},
    Entry{DType::kBF16, "BF16", 2}, Entry{DType::kI64, "I64", 8}, Entry{DType::kI32, "I32", 4},
    Entry{DType::kI16, "I16", 2},   Entry{DType::kI8, "I8", 1},   Entry{DType::kU8, "U8", 1},
    Entry{DType::kBool, "BOOL", 1},
};

const Entry& entry_of(DType dtype) {
  const auto at = static_cast<std::size_t>(dtype);
  LORRY_CHECK(at < kEntries.size() && kEntries[at].dtype == dtype);
  return kEntries[at];
}
}  // namespace

Index size_of(DType dtype) {
  return entry_of(dtype).bytes;
}

std::string_view name_of(DType dtype) {
  return entry_of(dtype).name;
}

std::optional<DType> dtype_from_name(std::string_view name) {
  for (const Entry& entry : kEntries) {
    if (entry.name == name) return entry.dtype;
  }
  return std::nullopt;
}

float to_float(F16 x) {
  const std::uint32_t sign = static_cast<std::uint32_t>(x.bits & 0x8000U) << 16;
  const std::uint32_t exponent = (x.bits >> 10) & 0x1fU;
  const std::uint32_t mantissa = x.bits & 0x3ffU;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000U | (mantissa << 13));
  if (exponent != 0) return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;  // zero and subnormals
  return sign != 0 ? -magnitude : magnitude;
}

F16 to_f16(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000U);
  const std::uint32_t magnitude = bits & 0x7fffffffU;
  if (magnitude > 0x7f800000U) return {static_cast<std::uint16_t>(sign | 0x7e00U)};
  if (magnitude >= 0x477ff000U) return {static_cast<std::uint16_t>(sign | 0x7c00U)};  // rounds past 65504
  if (magnitude < 0x38800000U) {
    // Subnormal result: adding 0.5 aligns the unit in the last place with 2^-24 and rounds to nearest even.
    const float aligned = std::bit_cast<float>(magnitude) + 0.5F;
    return {static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(aligned) - 0x3f000000U))};
  }
  const std::uint32_t rounded = magnitude + 0xfffU + ((magnitude >> 13) & 1U) - (112U << 23);
  return {static_cast<std::uint16_t>(sign | (rounded >> 13))};
}

}  // namespace lorry
