// tensor/packed.hpp: weights in a few bits per element, in blocks that share a scale, as files hold them.
// Formats: docs/formats.md.
#pragma once
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <variant>

#include "core/index.hpp"

namespace lorry {

/// GGUF's types, whose blocks hold their scales; NF4 and LLM.int8() as bitsandbytes stores them, with their
/// scales beside the codes; and plain numbers, blocks of one, for matrices whose rows lie in another order.
// NOLINTBEGIN(readability-identifier-naming): the names that GGUF gives them
enum class BlockFormat : std::uint8_t {
  kF32,
  kF16,
  kBF16,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ8_0,
  kQ2_K,
  kQ3_K,
  kQ4_K,
  kQ5_K,
  kQ6_K,
  kIQ4_NL,
  kNf4,
  kInt8,
};
// NOLINTEND(readability-identifier-naming)

/// What a block of a format is. Blocks of GGUF's types never cross a row; NF4's run over the flat row-major
/// order.
struct BlockFacts {
  BlockFormat format;
  std::string_view name;  // "Q4_K"
  Index elements;         // of one block
  Index bytes;            // of its codes, with its scales where they lie inside
};

const BlockFacts& facts_of(BlockFormat format);
/// Empty for a name that is none.
std::optional<BlockFormat> block_format_from_name(std::string_view name);

/// Scales of NF4 (Dettmers et al. 2023, arXiv:2305.14314, sec. 3): element = map[code] * absmax of its block
/// of 64. Where they are quantised too, absmax[i] = nested_map[nested[i]] * nested_absmax[i / nested_block] +
/// offset.
struct Nf4Scales {
  std::array<float, 16> map = {};
  const float* absmax = nullptr;         // one per block; null where nested
  const std::uint8_t* nested = nullptr;  // one per block; null where absmax is there
  const float* nested_absmax = nullptr;  // one per nested_block of them
  std::array<float, 256> nested_map = {};
  Index nested_block = 256;
  float offset = 0.0F;

  [[nodiscard]] float absmax_of(Index block) const noexcept {
    if (nested == nullptr) return absmax[block];
    const float part = nested_map[nested[block]] * nested_absmax[outer_of(block)];
    return part + offset;
  }
  /// Of nested_absmax. The usual sizes need no division, which would take as long as the block itself.
  [[nodiscard]] Index outer_of(Index block) const noexcept {
    const auto size = static_cast<std::uint64_t>(nested_block);
    return std::has_single_bit(size) ? block >> std::countr_zero(size) : block / nested_block;
  }
  /// Asks for what absmax_of(block) reads.
  void prefetch(Index block) const noexcept {
    if (nested == nullptr) return __builtin_prefetch(absmax + block);
    __builtin_prefetch(nested + block);
    __builtin_prefetch(nested_absmax + outer_of(block));
  }
};

/// Scales of int8 rows (Dettmers et al. 2022, arXiv:2208.07339): element = code * absmax of its row / 127.
struct RowScales {
  const float* absmax = nullptr;
};

/// A whole matrix [rows, cols] in blocks. Borrows its memory.
struct PackedMatrix {
  BlockFormat format = BlockFormat::kQ8_0;
  Index rows = 0;
  Index cols = 0;
  std::span<const std::byte> codes;  // no alignment is promised
  /// llama.cpp turns pairs of neighbours where Hugging Face turns halves of a head, so its files hold the
  /// rows of q_proj and k_proj in another order: row j of the lower half of a head of this size lies at 2 j,
  /// row j of the upper half at 2 j + 1. 0: rows lie in order.
  Index interleaved_head = 0;
  std::variant<std::monostate, Nf4Scales, RowScales> scales;

  /// Where row `row` lies.
  [[nodiscard]] Index stored_row(Index row) const noexcept {
    if (interleaved_head == 0) return row;
    const Index half = interleaved_head / 2;
    const Index at = row % interleaved_head;
    return row - at + (at < half ? 2 * at : 2 * (at - half) + 1);
  }
  /// Of codes and scales.
  [[nodiscard]] Index bytes() const noexcept;
};

/// Blocks of the flat order, the last one perhaps not full: of NF4 those that have a scale.
Index scale_count(const PackedMatrix& matrix);

/// Calls visit(first, count) for each array of scales that lies beside the codes; `first` is the matrix's own
/// pointer, to be changed where the matrix may be.
template <class Packed, class Visit>
void for_each_scales(Packed& matrix, Visit&& visit) {
  if (auto* const nf4 = std::get_if<Nf4Scales>(&matrix.scales)) {
    const Index blocks = scale_count(matrix);
    if (nf4->absmax != nullptr) visit(nf4->absmax, blocks);
    if (nf4->nested == nullptr) return;
    visit(nf4->nested, blocks);
    visit(nf4->nested_absmax, (blocks + nf4->nested_block - 1) / nf4->nested_block);
  } else if (auto* const rows = std::get_if<RowScales>(&matrix.scales)) {
    visit(rows->absmax, matrix.rows);
  }
}

/// Elements [first_col, first_col + count) of a row in float32, exactly as their format defines them. The
/// reference; products unpack by ops/cpu/unpack.hpp.
void unpack_row(const PackedMatrix& matrix, Index row, Index first_col, Index count, float* to);

}  // namespace lorry
