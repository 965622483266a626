#include "model/bnb_numbers.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "tensor/dtype.hpp"

namespace lorry::model {

namespace {

constexpr float kLeastAbsmax = 1e-38F;  // bitsandbytes divides by no less

/// The numbers halfway between neighbours of a map.
template <std::size_t N>
constexpr std::array<float, N - 1> middles(const std::array<float, N>& map) {
  std::array<float, N - 1> result{};
  for (std::size_t i = 0; i + 1 < N; ++i) result[i] = (map[i] + map[i + 1]) / 2;
  return result;
}

constexpr auto kNf4Middles = middles(kNf4Map);
constexpr std::uint8_t kCodeOfZero = 7;

float largest_magnitude(std::span<const float> values) {
  float largest = 0.0F;
  for (const float value : values) largest = std::max(largest, std::fabs(value));
  return largest;
}

/// Codes of one block, one a byte; the block may be shorter than 64.
void nf4_codes(std::span<const float> values, float absmax, std::uint8_t* codes) {
  const bool whole = std::ssize(values) == kNf4Block;
  const float inverse = 1.0F / std::max(absmax, kLeastAbsmax);
  std::array<float, kNf4Block> scaled{};
  std::array<int, kNf4Block> counts{};
  for (std::size_t i = 0; i < values.size(); ++i) {
    scaled[i] = whole ? values[i] * inverse : values[i] / absmax;  // bitsandbytes divides in the last block
  }
  for (const float middle : kNf4Middles) {
    for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += scaled[i] > middle ? 1 : 0;
  }
  std::transform(counts.begin(), counts.begin() + std::ssize(values), codes,
                 [](int count) { return static_cast<std::uint8_t>(count); });
}

/// torch.linspace(0.1, 1, parts + 1)[i]: from both ends, each number rounded once.
float boundary(int parts, int i) {
  const float first = 0.1F;
  const double step = (1.0F - first) / static_cast<float>(parts);
  return static_cast<float>(i < (parts + 1) / 2 ? first + step * i : 1.0 - step * (parts - i));
}

/// Magnitudes in seven decades below 1, the upper ones the most finely cut, each with both signs; 0 and 1.
std::array<float, 256> make_nested_map() {
  constexpr int kDecades = 7;
  std::array<float, 256> map{};
  std::size_t count = 0;
  for (int decade = 0; decade < kDecades; ++decade) {
    const int parts = 1 << decade;
    const auto power = static_cast<float>(std::pow(10.0, decade - (kDecades - 1)));
    for (int i = 0; i < parts; ++i) {
      const float value = power * ((boundary(parts, i) + boundary(parts, i + 1)) / 2);
      map[count++] = value;
      map[count++] = -value;
    }
  }
  map[count++] = 0.0F;
  map[count++] = 1.0F;
  std::sort(map.begin(), map.end());
  return map;
}

constexpr int kNearestEntries = 65536;

/// The code nearest to -1 + 2 i / 65535, for every i.
std::vector<std::uint8_t> make_nearest_table() {
  const auto bounds = middles(nested_map());
  std::vector<std::uint8_t> table(kNearestEntries);
  for (int i = 0; i < kNearestEntries; ++i) {
    const auto value = static_cast<float>(static_cast<double>(i) / (kNearestEntries - 1) * 2 - 1);
    table[static_cast<std::size_t>(i)] =
        static_cast<std::uint8_t>(std::lower_bound(bounds.begin(), bounds.end(), value) - bounds.begin());
  }
  return table;
}

}  // namespace

const std::array<float, 256>& nested_map() {
  static const std::array<float, 256> kMap = make_nested_map();
  return kMap;
}

bool quantize_nf4(std::span<const float> values, std::uint8_t* codes, float* absmax) {
  bool finite = true;
  std::array<std::uint8_t, kNf4Block> single{};
  while (!values.empty()) {
    const auto block = values.first(std::min<std::size_t>(values.size(), kNf4Block));
    values = values.subspan(block.size());
    finite &= std::all_of(block.begin(), block.end(), [](float value) { return std::isfinite(value); });
    const bool whole = std::ssize(block) == kNf4Block;
    *absmax = whole ? largest_magnitude(block) : std::max(largest_magnitude(block), kLeastAbsmax);
    nf4_codes(block, *absmax++, single.data());
    if (block.size() % 2 != 0) single[block.size()] = kCodeOfZero;  // fills the last byte
    for (std::size_t i = 0; i < block.size(); i += 2) {
      *codes++ = static_cast<std::uint8_t>(single[i] << 4 | single[i + 1]);
    }
  }
  return finite;
}

float nested_offset(std::span<const float> absmax) {
  const double sum = std::accumulate(absmax.begin(), absmax.end(), 0.0);
  return static_cast<float>(sum / static_cast<double>(absmax.size()));
}

void quantize_absmax(std::span<const float> absmax, float offset, std::uint8_t* codes, float* nested_absmax) {
  static const std::vector<std::uint8_t> kNearest = make_nearest_table();
  std::array<float, kNestedBlock> parts{};
  while (!absmax.empty()) {
    const auto block = absmax.first(std::min<std::size_t>(absmax.size(), kNestedBlock));
    absmax = absmax.subspan(block.size());
    for (std::size_t i = 0; i < block.size(); ++i) parts[i] = block[i] - offset;
    const float largest = largest_magnitude(std::span(parts).first(block.size()));
    *nested_absmax++ = largest;
    const float inverse = 1.0F / largest;
    for (std::size_t i = 0; i < block.size(); ++i) {
      const float at = (parts[i] * inverse + 1.0F) * 32767.5F + 0.5F;
      *codes++ = std::isfinite(at) ? kNearest[static_cast<std::size_t>(std::clamp(at, 0.0F, 65535.0F))]
                                   : std::uint8_t{0};  // all of the block equal the offset
    }
  }
}

float quantize_int8(std::span<const float> values, std::int8_t* codes) {
  float largest = 0.0F;
  for (const float value : values) {
    const float magnitude = std::fabs(to_float(to_f16(value)));
    if (!std::isfinite(magnitude)) return std::numeric_limits<float>::infinity();
    largest = std::max(largest, magnitude);
  }
  const float factor = largest == 0.0F ? 0.0F : 1.0F / largest * 127.0F;  // in torch's order
  for (const float value : values) {
    *codes++ = static_cast<std::int8_t>(std::nearbyint(to_float(to_f16(value)) * factor));
  }
  return largest;
}

}  // namespace lorry::model
