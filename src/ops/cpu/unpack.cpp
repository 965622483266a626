#include "ops/cpu/unpack.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/unpack.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway asks.
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <optional>

#include "ops/cpu/blocks-inl.hpp"
#include "ops/cpu/elementwise.hpp"
#include "ops/cpu/nibbles-inl.hpp"
#include "ops/cpu/parallel.hpp"
#include "ops/cpu/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace lorry::ops::cpu::HWY_NAMESPACE {
namespace {

/// Two vectors, one after the other.
template <Rounding /*kRounding*/>
HWY_INLINE void store_pair(FloatVec a, FloatVec b, float* to) {
  store(a, to);
  store(b, to + kLanes);
}
template <Rounding kRounding>
HWY_INLINE void store_pair(FloatVec a, FloatVec b, BF16* to) {
#if HWY_ARCH_X86 && HWY_CAP_GE512
  _mm512_storeu_si512(to, bf16_pair<kRounding>(a, b));
#else
  store(a, to);
  store(b, to + kLanes);
#endif
}

/// The n elements of a block taken apart.
template <BlockFormat kFormat, Index kElements, class T>
HWY_INLINE void make_numbers(const BlockCodes& parts, T* to) {
  constexpr BlockGroups kGroups = groups_of(kFormat);
  const auto numbers = [&](Index i) HWY_ATTR {
    const Index group = i / kGroups.group;
    const FloatVec scaled = hn::Mul(splat(parts.scale[group]), load_codes(parts.code + i));
    return kGroups.offsets ? hn::Add(scaled, splat(parts.offset[group])) : scaled;
  };
  for (Index i = 0; i < kElements; i += 2 * kLanes)
    store_pair<Rounding::kGguf>(numbers(i), numbers(i + kLanes), to + i);
}

template <BlockFormat kFormat, class T>
HWY_INLINE void unpack_block(const std::uint8_t* block, T* to) {
  BlockCodes parts;
  read_scales<kFormat>(block, parts);
  if constexpr (kNibbleTables && has_nibbles(kFormat)) {
    look_up_block<kFormat>(block, parts, to);
  } else {
    make_codes<kFormat>(block, parts.code);
    make_numbers<kFormat, elements_of(kFormat)>(parts, to);
  }
}

/// Elements [first, first + count) by unpack(block, whole, to), which writes all kElements of a block; whole:
/// nothing of it is asked for in vain. Other blocks go through a buffer.
template <Index kElements, class T, class Unpack>
HWY_INLINE void for_blocks(Index first, Index count, T* to, Unpack&& unpack) {
  const Index end = first + count;
  for (Index i = first; i < end;) {
    const Index block = i / kElements;
    const Index at = i - block * kElements;
    const Index n = std::min(kElements - at, end - i);
    if (n == kElements) {
      unpack(block, true, to);
    } else {
      alignas(64) T buffer[kElements];
      unpack(block, false, buffer);
      std::copy_n(buffer + at, n, to);
    }
    i += n;
    to += n;
  }
}

template <BlockFormat kFormat, class T>
void unpack_blocks(const PackedMatrix& matrix, Index row, Index first, Index count, T* to) {
  constexpr Index kElements = elements_of(kFormat);
  const Index bytes = facts_of(kFormat).bytes;
  const std::uint8_t* const blocks = bytes_of(matrix) + row * (matrix.cols / kElements) * bytes;
  for_blocks<kElements>(first, count, to, [&](Index block, bool /*whole*/, T* out) HWY_ATTR {
    unpack_block<kFormat>(blocks + block * bytes, out);
  });
}

/// Blocks run over the flat order, and the last one may lack codes.
template <class T>
void unpack_nf4(const PackedMatrix& matrix, const Nf4Table& table, Index row, Index first, Index count,
                T* to) {
  constexpr Index kBytes = 32;
  const auto& scales = std::get<Nf4Scales>(matrix.scales);
  const std::uint8_t* const codes = bytes_of(matrix);
  const Index size = std::ssize(matrix.codes);
  for_blocks<64>(row * matrix.cols + first, count, to, [&](Index block, bool whole, T* out) HWY_ATTR {
    const std::uint8_t* from = codes + block * kBytes;
    std::array<std::uint8_t, kBytes> last = {};
    if (!whole) {
      std::copy_n(from, std::min(kBytes, size - block * kBytes), last.begin());
      from = last.data();
    }
    look_up_nf4(from, table, scales.absmax_of(block), out);
  });
}

template <class T>
void unpack_int8(const PackedMatrix& matrix, Index row, Index first, Index count, T* to) {
  const FloatVec absmax = splat(std::get<RowScales>(matrix.scales).absmax[row]);
  const FloatVec one = splat(1.0F / 127.0F);  // bitsandbytes multiplies by both in turn
  const auto* const codes =
      reinterpret_cast<const std::int8_t*>(matrix.codes.data()) + row * matrix.cols + first;
  const auto numbers = [&](const std::int8_t* at)
                           HWY_ATTR { return hn::Mul(hn::Mul(load_codes(at), absmax), one); };
  Index i = 0;
  for (; i + 2 * kLanes <= count; i += 2 * kLanes)
    store_pair<Rounding::kAny>(numbers(codes + i), numbers(codes + i + kLanes), to + i);
  for (; i < count; i += kLanes) {
    const Index n = std::min(kLanes, count - i);
    std::int8_t buffer[kLanes] = {};
    std::copy_n(codes + i, n, buffer);
    store(numbers(buffer), to + i, n);
  }
}

/// Numbers as they are, at addresses that may not be theirs.
template <class From, class T>
void unpack_plain(const PackedMatrix& matrix, Index row, Index first, Index count, T* to) {
  const std::byte* const from =
      matrix.codes.data() + (row * matrix.cols + first) * static_cast<Index>(sizeof(From));
  for_each_vector(count, [&](Index i, Index n) HWY_ATTR {
    alignas(64) From buffer[kLanes] = {};
    std::memcpy(buffer, from + i * static_cast<Index>(sizeof(From)),
                static_cast<std::size_t>(n) * sizeof(From));
    store(load(buffer), to + i, n);
  });
}

/// nf4: of a matrix in NF4.
template <class T>
void unpack_row_to(const PackedMatrix& matrix, const std::optional<Nf4Table>& nf4, Index row, Index first,
                   Index count, T* to) {
  switch (matrix.format) {
    case BlockFormat::kNf4:
      return unpack_nf4(matrix, *nf4, row, first, count, to);
    case BlockFormat::kInt8:
      return unpack_int8(matrix, row, first, count, to);
    case BlockFormat::kF32:
      return unpack_plain<float>(matrix, row, first, count, to);
    case BlockFormat::kF16:
      return unpack_plain<F16>(matrix, row, first, count, to);
    case BlockFormat::kBF16:
      return unpack_plain<BF16>(matrix, row, first, count, to);
    default:
      return with_block_format(matrix.format, [&]<BlockFormat kFormat>() HWY_ATTR {
        unpack_blocks<kFormat>(matrix, row, first, count, to);
      });
  }
}

void unpack_rows(WeightView from, MatrixView to) {
  // Rows of a panel lie pages apart, which no processor foresees: without this most of the time went into
  // waiting.
  constexpr Index kRowsAhead = 4;
  std::optional<Nf4Table> nf4;
  if (const auto* const scales = std::get_if<Nf4Scales>(&from.packed->scales)) nf4.emplace(scales->map);
  for (Index i = 0; i < from.rows; ++i) {
    if (i + kRowsAhead < from.rows) prefetch(from.row_range(i + kRowsAhead, 1));
    const Index row = from.packed->stored_row(from.first_row + i);
    if (to.dtype == DType::kBF16) {
      unpack_row_to(*from.packed, nf4, row, from.first_col, from.cols, to.row<BF16>(i));
    } else {
      unpack_row_to(*from.packed, nf4, row, from.first_col, from.cols, to.row<float>(i));
    }
  }
}

}  // namespace
}  // namespace lorry::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lorry::ops::cpu {

HWY_EXPORT(unpack_rows);

void unpack_serial(WeightView from, MatrixView to) {
  LORRY_CHECK(from.is_packed() && from.rows == to.rows && from.cols == to.cols);
  const PackedMatrix& matrix = *from.packed;
  LORRY_CHECK(from.first_row >= 0 && from.first_row + from.rows <= matrix.rows);
  LORRY_CHECK(from.first_col >= 0 && from.first_col + from.cols <= matrix.cols);
  if (to.dtype != DType::kF16) return HWY_DYNAMIC_DISPATCH(unpack_rows)(from, to);
  Matrix row(1, from.cols);
  for (Index i = 0; i < from.rows; ++i) {
    HWY_DYNAMIC_DISPATCH(unpack_rows)(from.row_range(i, 1), row);
    copy_serial(row, to.row_range(i, 1));
  }
}

void prefetch(WeightView from) {
  constexpr Index kLine = 64;
  constexpr int kSecondLevel = 2;  // the first one holds what is multiplied meanwhile
  if (from.cols == 0) return;
  if (!from.is_packed()) {
    const Index bytes = from.cols * size_of(from.dense.dtype);
    for (Index i = 0; i < from.rows; ++i) {
      const std::byte* const row = from.dense.data + i * from.dense.stride * size_of(from.dense.dtype);
      for (Index at = 0; at < bytes; at += kLine) __builtin_prefetch(row + at, 0, kSecondLevel);
    }
    return;
  }
  const PackedMatrix& matrix = *from.packed;
  const BlockFacts& facts = facts_of(matrix.format);
  const auto* const nf4 = std::get_if<Nf4Scales>(&matrix.scales);
  for (Index i = 0; i < from.rows; ++i) {
    const Index first = matrix.stored_row(from.first_row + i) * matrix.cols + from.first_col;
    const Index begin = first / facts.elements * facts.bytes;
    const Index end = (first + from.cols - 1) / facts.elements * facts.bytes + facts.bytes;
    for (Index at = begin; at < end; at += kLine)
      __builtin_prefetch(matrix.codes.data() + at, 0, kSecondLevel);
    if (nf4 != nullptr) nf4->prefetch(first / facts.elements);
  }
}

void unpack(WeightView from, MatrixView to) {
  constexpr Index kElements = 1 << 15;
  const Index block = std::max<Index>(1, kElements / std::max<Index>(1, from.cols));
  parallel_for(pieces(from.rows, block), [&](Index b) {
    const Index first = b * block;
    const Index count = std::min(block, from.rows - first);
    unpack_serial(from.row_range(first, count), to.row_range(first, count));
  });
}

void copy_weight(WeightView from, MatrixView to) {
  if (from.is_packed()) return unpack(from, to);
  copy(from.dense, to);
}

}  // namespace lorry::ops::cpu
#endif  // HWY_ONCE
