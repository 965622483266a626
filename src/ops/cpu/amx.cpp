#include "ops/cpu/amx.hpp"

#include "core/check.hpp"

#if defined(__x86_64__) && defined(__linux__)

#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdint>

#define LORRY_AMX [[gnu::target("amx-tile,amx-bf16,avx512f,avx512bw")]]

namespace lorry::ops::cpu::amx {

namespace {

/// As ldtilecfg reads it (Intel SDM, volume 1, 18.4).
struct alignas(64) Config {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::array<std::uint8_t, 14> reserved = {};
  std::array<std::uint16_t, 16> row_bytes = {64, 64, 64, 64, 64, 64, 64, 64};
  std::array<std::uint8_t, 16> rows = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(Config) == 64);

bool ask() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kBf16 = 1U << 22U, kTile = 1U << 24U;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & kBf16) == 0 || (d & kTile) == 0) return false;
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw")) return false;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // asm/prctl.h of kernels since 5.16
  return ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

/// Tile loads and stores are invisible to the compiler as accesses to memory.
void fence() {
  asm volatile("" ::: "memory");
}

// Tiles 0 to 3 are c's, row by row; 4 and 5 left's, 6 and 7 right's. What passes by once is loaded so that it
// does not drive the other side out of the first-level cache.
template <bool kLow, bool kRight, Passing kPassing>
LORRY_AMX void multiply_tiles(const Left& left, const Right& right, Index steps, bool add, float* c) {
  constexpr Index kStride = kPairRowBytes;
  auto* const upper = reinterpret_cast<std::byte*>(c);
  std::byte* const lower = upper + kSide * kStride;
  if (add) {
    _tile_loadd(0, upper, kStride);
    if constexpr (kRight) _tile_loadd(1, upper + 64, kStride);
    if constexpr (kLow) _tile_loadd(2, lower, kStride);
    if constexpr (kLow && kRight) _tile_loadd(3, lower + 64, kStride);
  } else {
    _tile_zero(0);
    if constexpr (kRight) _tile_zero(1);
    if constexpr (kLow) _tile_zero(2);
    if constexpr (kLow && kRight) _tile_zero(3);
  }
  const std::byte* l = left.data;
  const std::byte* r = right.data;
  for (Index step = 0; step < steps; ++step, l += left.step_bytes, r += kTileBytes) {
    if constexpr (kPassing == Passing::kRight) {
      _tile_loadd(4, l, left.row_bytes);
      _tile_stream_loadd(6, r, 64);
      if constexpr (kRight) _tile_stream_loadd(7, r + right.tile_bytes, 64);
      if constexpr (kLow) _tile_loadd(5, l + left.tile_bytes, left.row_bytes);
    } else {
      _tile_stream_loadd(4, l, left.row_bytes);
      _tile_loadd(6, r, 64);
      if constexpr (kRight) _tile_loadd(7, r + right.tile_bytes, 64);
      if constexpr (kLow) _tile_stream_loadd(5, l + left.tile_bytes, left.row_bytes);
    }
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (kRight) _tile_dpbf16ps(1, 4, 7);
    if constexpr (kLow) _tile_dpbf16ps(2, 5, 6);
    if constexpr (kLow && kRight) _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, upper, kStride);
  if constexpr (kRight) _tile_stored(1, upper + 64, kStride);
  if constexpr (kLow) _tile_stored(2, lower, kStride);
  if constexpr (kLow && kRight) _tile_stored(3, lower + 64, kStride);
}

template <Passing kPassing>
void multiply_passing(const Left& left, const Right& right, Index steps, bool add, float* c) {
  if (left.tiles == 2) {
    right.tiles == 2 ? multiply_tiles<true, true, kPassing>(left, right, steps, add, c)
                     : multiply_tiles<true, false, kPassing>(left, right, steps, add, c);
  } else {
    right.tiles == 2 ? multiply_tiles<false, true, kPassing>(left, right, steps, add, c)
                     : multiply_tiles<false, false, kPassing>(left, right, steps, add, c);
  }
}

/// 16 rows of 16 numbers of 32 bits.
struct Rows {
  __m512i row[16];  // std::array drops the alignment that the type carries
};

LORRY_AMX void release() {
  _tile_release();
}

LORRY_AMX void transpose_rows(Rows& all) {
  __m512i(&rows)[16] = all.row;
  __m512i half[16];
  for (std::size_t i = 0; i < 16; i += 2) {
    half[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    half[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
  }
  for (std::size_t i = 0; i < 16; i += 4) {
    rows[i] = _mm512_unpacklo_epi64(half[i], half[i + 2]);
    rows[i + 1] = _mm512_unpackhi_epi64(half[i], half[i + 2]);
    rows[i + 2] = _mm512_unpacklo_epi64(half[i + 1], half[i + 3]);
    rows[i + 3] = _mm512_unpackhi_epi64(half[i + 1], half[i + 3]);
  }
  // Each vector now holds four columns' quarters of four rows.
  for (std::size_t i = 0; i < 4; ++i) {
    half[i] = _mm512_shuffle_i32x4(rows[i], rows[i + 4], 0x88);
    half[i + 4] = _mm512_shuffle_i32x4(rows[i], rows[i + 4], 0xdd);
    half[i + 8] = _mm512_shuffle_i32x4(rows[i + 8], rows[i + 12], 0x88);
    half[i + 12] = _mm512_shuffle_i32x4(rows[i + 8], rows[i + 12], 0xdd);
  }
  for (std::size_t i = 0; i < 4; ++i) {
    rows[i] = _mm512_shuffle_i32x4(half[i], half[i + 8], 0x88);
    rows[i + 8] = _mm512_shuffle_i32x4(half[i], half[i + 8], 0xdd);
    rows[i + 4] = _mm512_shuffle_i32x4(half[i + 4], half[i + 12], 0x88);
    rows[i + 12] = _mm512_shuffle_i32x4(half[i + 4], half[i + 12], 0xdd);
  }
}

}  // namespace

bool available() {
  static const bool kGranted = ask();
  return kGranted;
}

Session::Session() {
  const Config config;
  asm volatile("ldtilecfg %0" ::"m"(config));
}

Session::~Session() {
  release();
}

void multiply(const Left& left, const Right& right, Passing passing, Index steps, bool add, float* c) {
  fence();
  passing == Passing::kLeft ? multiply_passing<Passing::kLeft>(left, right, steps, add, c)
                            : multiply_passing<Passing::kRight>(left, right, steps, add, c);
  fence();
}

LORRY_AMX void transpose_pairs(const std::byte* from, Index row_bytes, std::byte* to) {
  Rows rows;
  for (Index i = 0; i < 16; ++i) rows.row[i] = _mm512_loadu_si512(from + i * row_bytes);
  transpose_rows(rows);
  for (Index i = 0; i < 16; ++i) _mm512_storeu_si512(to + i * 64, rows.row[i]);
}

LORRY_AMX void interleave(const std::byte* even, const std::byte* odd, Index tiles, Index tile_bytes,
                          std::byte* to) {
  for (Index i = 0; i < tiles; ++i, even += 32, odd += 32, to += tile_bytes) {
    const __m512i low = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(even)));
    const __m512i high = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(odd)));
    _mm512_storeu_si512(to, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
  }
}

LORRY_AMX void transpose(const float* from, Index from_stride, float* to, Index to_stride) {
  Rows rows;
  for (Index i = 0; i < 16; ++i) rows.row[i] = _mm512_loadu_si512(from + i * from_stride);
  transpose_rows(rows);
  for (Index i = 0; i < 16; ++i) _mm512_storeu_si512(to + i * to_stride, rows.row[i]);
}

}  // namespace lorry::ops::cpu::amx

#undef LORRY_AMX

#else

namespace lorry::ops::cpu::amx {

bool available() {
  return false;
}

Session::Session() {
  LORRY_CHECK(false);
}
Session::~Session() = default;

void multiply(const Left& /*left*/, const Right& /*right*/, Passing /*passing*/, Index /*steps*/,
              bool /*add*/, float* /*c*/) {}
void transpose_pairs(const std::byte* /*from*/, Index /*row_bytes*/, std::byte* /*to*/) {}
void interleave(const std::byte* /*even*/, const std::byte* /*odd*/, Index /*tiles*/, Index /*tile_bytes*/,
                std::byte* /*to*/) {}
void transpose(const float* /*from*/, Index /*from_stride*/, float* /*to*/, Index /*to_stride*/) {}

}  // namespace lorry::ops::cpu::amx

#endif
