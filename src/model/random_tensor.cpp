#include "model/random_tensor.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <thread>
#include <vector>

#include "core/check.hpp"
#include "core/rng.hpp"
#include "model/on_threads.hpp"
#include "tensor/matrix.hpp"

namespace lorry::model {

namespace {

constexpr Index kChunk = Index{1} << 20;  // elements drawn at once

/// Element i of a tensor follows from (seed, stream, i) alone, so chunks and threads do not matter: pairs of
/// standard normals by Box-Muller.
void draw_normal(std::uint64_t seed, std::uint64_t stream, Index first, std::span<float> to) {
  constexpr float kTwoPi = 2.0F * std::numbers::pi_v<float>;
  LORRY_CHECK(first % 4 == 0);
  for (std::size_t i = 0; i < to.size(); i += 4) {
    const auto words = philox(seed, stream, (static_cast<std::uint64_t>(first) + i) / 4);
    float normal[4];
    for (int pair = 0; pair < 4; pair += 2) {
      const float u =
          (static_cast<float>(words[static_cast<std::size_t>(pair)] >> 8) + 1.0F) * 0x1p-24F;  // (0, 1]
      const float angle =
          kTwoPi * static_cast<float>(words[static_cast<std::size_t>(pair) + 1] >> 8) * 0x1p-24F;
      const float radius = std::sqrt(-2.0F * std::log(u));
      normal[pair] = radius * std::cos(angle);
      normal[pair + 1] = radius * std::sin(angle);
    }
    std::copy_n(normal, std::min<std::size_t>(4, to.size() - i), to.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

/// Fills elements [first, first + to.size()) of a tensor with its starting values.
void fill(const TensorSpec& spec, float deviation, std::uint64_t seed, std::uint64_t stream, Index first,
          std::span<float> to) {
  if (spec.kind == TensorKind::kBias || spec.kind == TensorKind::kNormBias) {
    std::fill(to.begin(), to.end(), 0.0F);
  } else if (spec.kind == TensorKind::kNormWeight) {
    std::fill(to.begin(), to.end(), 1.0F);
  } else {
    draw_normal(seed, stream, first, to);
    for (float& value : to) value *= deviation;
  }
}

/// One chunk as it goes to the file.
struct Chunk {
  std::vector<float> values;
  std::vector<BF16> rounded;

  std::span<const std::byte> bytes(DType dtype) {
    if (dtype == DType::kF32) return std::as_bytes(std::span(values));
    rounded.resize(values.size());
    std::transform(values.begin(), values.end(), rounded.begin(), to_bf16);
    return std::as_bytes(std::span(rounded));
  }
};

}  // namespace

float deviation_of(const TensorSpec& spec, const ModelConfig& config, float std) {
  const bool residual = config.model_type == "gpt2" && spec.name.ends_with("c_proj.weight");
  return residual ? std / std::sqrt(2.0F * static_cast<float>(config.num_hidden_layers)) : std;
}

void write_random_tensor(io::SafetensorsWriter& writer, const TensorSpec& spec, float deviation, DType dtype,
                         std::uint64_t seed, std::uint64_t stream,
                         const std::function<void(Index)>& written) {
  const Index workers = thread_count(0);
  std::vector<Chunk> chunks(static_cast<std::size_t>(workers));
  const Index size = spec.rows() * spec.cols();
  for (Index first = 0; first < size; first += workers * kChunk) {
    const Index used = std::min(workers, (size - first + kChunk - 1) / kChunk);
    on_threads(used, [&](Index w) {
      const Index begin = first + w * kChunk;
      Chunk& chunk = chunks[static_cast<std::size_t>(w)];
      chunk.values.resize(static_cast<std::size_t>(std::min(kChunk, size - begin)));
      fill(spec, deviation, seed, stream, begin, std::span(chunk.values));
    });
    for (Index w = 0; w < used; ++w) {
      const auto bytes = chunks[static_cast<std::size_t>(w)].bytes(dtype);
      writer.write(spec.name, bytes);
      written(static_cast<Index>(bytes.size()));
    }
  }
}

}  // namespace lorry::model
