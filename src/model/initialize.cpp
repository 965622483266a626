#include "model/initialize.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <thread>
#include <vector>

#include "core/rng.hpp"
#include "io/safetensors_writer.hpp"
#include "model/tensor_list.hpp"
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

float deviation_of(const TensorSpec& spec, const ModelConfig& config, float std) {
  const bool residual = config.conv1d && spec.name.ends_with("c_proj.weight");
  return residual ? std / std::sqrt(2.0F * static_cast<float>(config.num_hidden_layers)) : std;
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

void write_random_weights(const std::filesystem::path& file, const ModelConfig& config, float std,
                          DType dtype, std::uint64_t seed,
                          const std::function<void(Index, Index)>& progress) {
  const std::vector<TensorSpec> tensors = list_tensors(config);
  std::vector<io::TensorSpec> specs;
  specs.reserve(tensors.size());
  for (const TensorSpec& spec : tensors) specs.push_back({spec.name, dtype, spec.shape});
  io::SafetensorsWriter writer(file, std::move(specs));
  const auto workers = static_cast<Index>(std::max(1U, std::thread::hardware_concurrency()));
  std::vector<Chunk> chunks(static_cast<std::size_t>(workers));
  const Index total = count_weights(config) * size_of(dtype);
  Index done = 0;
  std::uint64_t stream = 0;
  for (const TensorSpec& spec : tensors) {
    ++stream;
    const float deviation = deviation_of(spec, config, std);
    const Index size = spec.rows() * spec.cols();
    for (Index first = 0; first < size; first += workers * kChunk) {
      std::vector<std::thread> threads;
      for (Index w = 0; w < workers; ++w) {
        const Index begin = std::min(size, first + w * kChunk);
        Chunk& chunk = chunks[static_cast<std::size_t>(w)];
        chunk.values.resize(static_cast<std::size_t>(std::min(kChunk, size - begin)));
        if (chunk.values.empty()) continue;
        threads.emplace_back(
            [&, begin] { fill(spec, deviation, seed, stream, begin, std::span(chunk.values)); });
      }
      for (std::thread& thread : threads) thread.join();
      for (Chunk& chunk : chunks) {
        const auto bytes = chunk.bytes(dtype);
        if (bytes.empty()) continue;
        writer.write(spec.name, bytes);
        done += static_cast<Index>(bytes.size());
      }
      progress(done, total);
    }
  }
  writer.finish();
}

}  // namespace lorry::model
