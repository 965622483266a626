#include "tensor/packed.hpp"

#include <algorithm>
#include <cstring>

#include "core/check.hpp"
#include "tensor/block_codes.hpp"
#include "tensor/dtype.hpp"

namespace lorry {

namespace {

constexpr std::array kFacts = {
    BlockFacts{BlockFormat::kF32, "F32", 1, 4},       BlockFacts{BlockFormat::kF16, "F16", 1, 2},
    BlockFacts{BlockFormat::kBF16, "BF16", 1, 2},     BlockFacts{BlockFormat::kQ4_0, "Q4_0", 32, 18},
    BlockFacts{BlockFormat::kQ4_1, "Q4_1", 32, 20},   BlockFacts{BlockFormat::kQ5_0, "Q5_0", 32, 22},
    BlockFacts{BlockFormat::kQ5_1, "Q5_1", 32, 24},   BlockFacts{BlockFormat::kQ8_0, "Q8_0", 32, 34},
    BlockFacts{BlockFormat::kQ2_K, "Q2_K", 256, 84},  BlockFacts{BlockFormat::kQ3_K, "Q3_K", 256, 110},
    BlockFacts{BlockFormat::kQ4_K, "Q4_K", 256, 144}, BlockFacts{BlockFormat::kQ5_K, "Q5_K", 256, 176},
    BlockFacts{BlockFormat::kQ6_K, "Q6_K", 256, 210}, BlockFacts{BlockFormat::kIQ4_NL, "IQ4_NL", 32, 18},
    BlockFacts{BlockFormat::kNf4, "NF4", 64, 32},     BlockFacts{BlockFormat::kInt8, "INT8", 1, 1},
};

const std::uint8_t* bytes_of(const PackedMatrix& matrix) {
  return reinterpret_cast<const std::uint8_t*>(matrix.codes.data());
}

/// Elements [first, first + count) of the flat order.
void unpack_nf4(const PackedMatrix& matrix, Index first, Index count, float* to) {
  const auto& scales = std::get<Nf4Scales>(matrix.scales);
  const std::uint8_t* const codes = bytes_of(matrix);
  const Index block = facts_of(BlockFormat::kNf4).elements;
  for (Index i = first; i < first + count; ++i) {
    const int pair = codes[i / 2];
    const int code = i % 2 == 0 ? pair >> 4 : pair & 0xF;  // the first element in the high half
    *to++ = scales.map[static_cast<std::size_t>(code)] * scales.absmax_of(i / block);
  }
}

void unpack_int8(const PackedMatrix& matrix, Index row, Index first, Index count, float* to) {
  const float absmax = std::get<RowScales>(matrix.scales).absmax[row];
  const auto* const codes =
      reinterpret_cast<const std::int8_t*>(matrix.codes.data()) + row * matrix.cols + first;
  constexpr float kOne = 1.0F / 127.0F;  // bitsandbytes multiplies by this
  for (Index i = 0; i < count; ++i) to[i] = static_cast<float>(codes[i]) * absmax * kOne;
}

template <class T>
void unpack_plain(const PackedMatrix& matrix, Index row, Index first, Index count, float* to) {
  const std::byte* from = matrix.codes.data() + (row * matrix.cols + first) * static_cast<Index>(sizeof(T));
  for (Index i = 0; i < count; ++i, from += sizeof(T)) {
    T value;
    std::memcpy(&value, from, sizeof(T));
    to[i] = to_float(value);
  }
}

template <BlockFormat kFormat>
void unpack_blocks(const PackedMatrix& matrix, Index row, Index first, Index count, float* to) {
  const BlockFacts& facts = facts_of(kFormat);
  constexpr BlockGroups kGroups = groups_of(kFormat);
  const std::uint8_t* const blocks = bytes_of(matrix) + row * (matrix.cols / facts.elements) * facts.bytes;
  BlockCodes parts;
  Index known = -1;  // the block that parts are of
  for (Index i = first; i < first + count; ++i) {
    const Index block = i / facts.elements;
    if (block != known) take_apart<kFormat>(blocks + block * facts.bytes, parts);
    known = block;
    const Index at = i % facts.elements;
    const float scaled = parts.scale[at / kGroups.group] * static_cast<float>(parts.code[at]);
    *to++ = kGroups.offsets ? scaled + parts.offset[at / kGroups.group] : scaled;
  }
}

}  // namespace

const BlockFacts& facts_of(BlockFormat format) {
  const auto at = static_cast<std::size_t>(format);
  LORRY_CHECK(at < kFacts.size() && kFacts[at].format == format);
  return kFacts[at];
}

std::optional<BlockFormat> block_format_from_name(std::string_view name) {
  for (const BlockFacts& facts : kFacts) {
    if (facts.name == name) return facts.format;
  }
  return std::nullopt;
}

Index scale_count(const PackedMatrix& matrix) {
  const Index block = facts_of(matrix.format).elements;
  return (matrix.rows * matrix.cols + block - 1) / block;
}

Index PackedMatrix::bytes() const noexcept {
  Index bytes = std::ssize(codes);
  for_each_scales(
      *this, [&](const auto* first, Index count) { bytes += count * static_cast<Index>(sizeof(*first)); });
  return bytes;
}

void unpack_row(const PackedMatrix& matrix, Index row, Index first_col, Index count, float* to) {
  LORRY_CHECK(row >= 0 && row < matrix.rows && first_col >= 0 && first_col + count <= matrix.cols);
  row = matrix.stored_row(row);
  switch (matrix.format) {
    case BlockFormat::kNf4:
      return unpack_nf4(matrix, row * matrix.cols + first_col, count, to);
    case BlockFormat::kInt8:
      return unpack_int8(matrix, row, first_col, count, to);
    case BlockFormat::kF32:
      return unpack_plain<float>(matrix, row, first_col, count, to);
    case BlockFormat::kF16:
      return unpack_plain<F16>(matrix, row, first_col, count, to);
    case BlockFormat::kBF16:
      return unpack_plain<BF16>(matrix, row, first_col, count, to);
    default:
      return with_block_format(matrix.format, [&]<BlockFormat kFormat>() {
        unpack_blocks<kFormat>(matrix, row, first_col, count, to);
      });
  }
}

}  // namespace lorry
