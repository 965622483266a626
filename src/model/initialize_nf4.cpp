// Random weights that are quantised from the start: drawn as codes, so that a checkpoint of any size is made
// as fast as the disk takes it.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "core/rng.hpp"
#include "io/safetensors_writer.hpp"
#include "io/tensor_folder.hpp"
#include "model/bnb_format.hpp"
#include "model/bnb_numbers.hpp"
#include "model/initialize.hpp"
#include "model/model_folder.hpp"
#include "model/on_threads.hpp"
#include "model/random_tensor.hpp"

namespace lorry::model {

namespace {

constexpr Index kPieceBytes = Index{1} << 22;  // that a thread draws at once
// Streams of random numbers beside those of write_random_weights, whose embedding and head are the same.
constexpr std::uint64_t kCodeStreams = std::uint64_t{1} << 32;
constexpr std::uint64_t kScaleStreams = std::uint64_t{2} << 32;
constexpr double kBlockReach = 2.4;    // deviations of the largest of 64 normal numbers, about
constexpr float kScaleSpread = 0.25F;  // of scales around their mean, relative: of 64 normal numbers, +-0.45

double normal_cdf(double x) {
  return std::erfc(-x / std::sqrt(2.0)) / 2;
}

/// The code of a block's number at quantile u, were the block normal and its scale kBlockReach deviations.
std::uint8_t code_at(double u) {
  std::uint8_t code = 0;
  for (std::size_t i = 0; i + 1 < kNf4Map.size(); ++i) {
    const double middle = (static_cast<double>(kNf4Map[i]) + static_cast<double>(kNf4Map[i + 1])) / 2;
    if (u > normal_cdf(middle * kBlockReach)) code = static_cast<std::uint8_t>(i + 1);
  }
  return code;
}

/// Two codes for each random byte. Over all bytes each code comes as often, to 1/256, as quantising normal
/// numbers gives it, the first and the second spread evenly over each other (a Hammersley set).
std::array<std::uint8_t, 256> make_pairs() {
  std::array<std::uint8_t, 256> pairs{};
  for (std::uint32_t i = 0; i < pairs.size(); ++i) {
    std::uint32_t reversed = 0;
    for (std::uint32_t bit = 0; bit < 8; ++bit) reversed |= (i >> bit & 1U) << (7 - bit);
    const auto first = code_at((static_cast<double>(i) + 0.5) / 256);
    const auto second = code_at((static_cast<double>(reversed) + 0.5) / 256);
    pairs[i] = static_cast<std::uint8_t>(first << 4 | second);
  }
  return pairs;
}

/// Mean square of the numbers that the pairs' codes stand for, for a scale of 1.
double mean_square(const std::array<std::uint8_t, 256>& pairs) {
  double sum = 0;
  for (const int pair : pairs) {
    const double first = kNf4Map[static_cast<std::size_t>(pair >> 4)];
    const double second = kNf4Map[static_cast<std::size_t>(pair & 0xF)];
    sum += first * first + second * second;
  }
  return sum / (2.0 * static_cast<double>(pairs.size()));
}

/// The mean scale that gives numbers of that deviation, where a scale's code is uniform.
float mean_scale(double deviation, const std::array<std::uint8_t, 256>& pairs) {
  double scales = 0;
  for (const float code : nested_map())
    scales += std::pow(1.0 + static_cast<double>(kScaleSpread * code), 2.0) / 256;
  return static_cast<float>(deviation / std::sqrt(mean_square(pairs) * scales));
}

/// Random bytes [first, first + to.size()) of a stream, each by way of `table`.
void draw_bytes(std::uint64_t seed, std::uint64_t stream, Index first,
                const std::array<std::uint8_t, 256>& table, std::span<std::uint8_t> to) {
  for (std::size_t i = 0; i < to.size(); i += 16) {
    const auto words = philox(seed, stream, (static_cast<std::uint64_t>(first) + i) / 16);
    std::array<std::uint8_t, 16> bytes{};
    for (std::size_t b = 0; b < bytes.size(); ++b) bytes[b] = table[words[b / 4] >> (8 * (b % 4)) & 0xFFU];
    std::copy_n(bytes.begin(), std::min<std::size_t>(16, to.size() - i),
                to.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

/// Writes the folder's shards, one after the other.
class Nf4Initializer {
 public:
  Nf4Initializer(const ModelConfig& config, float std, DType dtype, std::uint64_t seed,
                 const std::function<void(Index, Index)>& progress)
      : config_(config), std_(std), options_{.dtype = dtype}, seed_(seed), progress_(progress) {
    for (std::size_t i = 0; i < identity_.size(); ++i) identity_[i] = static_cast<std::uint8_t>(i);
  }

  void write(const std::filesystem::path& folder, Index shard_bytes) {
    const std::vector<Shard> shards = plan(shard_bytes);
    std::map<std::string, std::string> file_of;
    for (std::size_t i = 0; i < shards.size(); ++i) {
      const std::string name = shards.size() == 1
                                   ? std::string(io::kModelFile)
                                   : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
      io::SafetensorsWriter writer(folder / name, shards[i].specs);
      for (const Tensor& tensor : shards[i].tensors) write_tensor(writer, tensor);
      writer.finish();
      for (const io::TensorSpec& spec : shards[i].specs) file_of[spec.name] = name;
    }
    if (shards.size() > 1) write_index(folder, file_of, total_);
  }

 private:
  struct Tensor {
    TensorSpec spec;
    std::uint64_t stream;
  };
  struct Shard {
    std::vector<Tensor> tensors;
    std::vector<io::TensorSpec> specs;
    Index bytes = 0;
  };

  /// Tensors in model order, as many in a shard as fit.
  std::vector<Shard> plan(Index shard_bytes) {
    std::vector<Shard> shards(1);
    std::uint64_t stream = 0;
    for (const TensorSpec& spec : list_tensors(config_)) {
      const std::vector<io::TensorSpec> specs =
          is_quantizable(spec, config_)
              ? bnb_specs(spec.name, spec.rows(), spec.cols(), options_)
              : std::vector<io::TensorSpec>{{spec.name, options_.dtype, spec.shape}};
      Index bytes = 0;
      for (const io::TensorSpec& part : specs) {
        Index size = size_of(part.dtype);
        for (const Index side : part.shape) size *= side;
        bytes += size;
      }
      if (shards.back().bytes > 0 && shards.back().bytes + bytes > shard_bytes) shards.emplace_back();
      Shard& shard = shards.back();
      shard.tensors.push_back({spec, ++stream});
      shard.specs.insert(shard.specs.end(), specs.begin(), specs.end());
      shard.bytes += bytes;
      total_ += bytes;
    }
    return shards;
  }

  void write_tensor(io::SafetensorsWriter& writer, const Tensor& tensor) {
    const float deviation = deviation_of(tensor.spec, config_, std_);
    if (is_quantizable(tensor.spec, config_)) {
      write_matrix(writer, tensor, deviation);
    } else {
      write_random_tensor(writer, tensor.spec, deviation, options_.dtype, seed_, tensor.stream,
                          [this](Index bytes) { advance(bytes); });
    }
  }

  void write_matrix(io::SafetensorsWriter& writer, const Tensor& tensor, float deviation) {
    const std::string& name = tensor.spec.name;
    const float offset = mean_scale(deviation, pairs_);
    for (const io::TensorSpec& part : bnb_specs(name, tensor.spec.rows(), tensor.spec.cols(), options_)) {
      const std::string_view ending = std::string_view(part.name).substr(name.size());
      if (ending.empty()) {
        write_bytes(writer, part, kCodeStreams + tensor.stream, pairs_);
      } else if (ending == kAbsmaxEnding) {
        write_bytes(writer, part, kScaleStreams + tensor.stream, identity_);
      } else if (ending == kNestedAbsmaxEnding) {
        const std::vector<float> same(static_cast<std::size_t>(part.shape[0]), kScaleSpread * offset);
        write_all(writer, part.name, std::as_bytes(std::span(same)));
      } else if (ending == kNestedMapEnding) {
        write_all(writer, part.name, std::as_bytes(std::span(nested_map())));
      } else if (ending == kMapEnding) {
        write_all(writer, part.name, std::as_bytes(std::span(kNf4Map)));
      } else {
        const std::string state = nf4_state(tensor.spec.rows(), tensor.spec.cols(), options_, offset);
        write_all(writer, part.name, std::as_bytes(std::span(state)));
      }
    }
  }

  /// Draws the next pieces while the last ones are written.
  void write_bytes(io::SafetensorsWriter& writer, const io::TensorSpec& part, std::uint64_t stream,
                   const std::array<std::uint8_t, 256>& table) {
    const Index workers = thread_count(0);
    const Index size = part.shape[0];
    std::vector<std::uint8_t>* ready = nullptr;
    for (Index first = 0, round = 0; first < size || ready != nullptr;
         first += workers * kPieceBytes, ++round) {
      std::vector<std::uint8_t>& buffer = buffers_[static_cast<std::size_t>(round % 2)];
      buffer.resize(static_cast<std::size_t>(std::clamp<Index>(size - first, 0, workers * kPieceBytes)));
      const Index used = (std::ssize(buffer) + kPieceBytes - 1) / kPieceBytes;
      on_threads(used + 1, [&](Index w) {
        if (w == used) {
          if (ready != nullptr) write_all(writer, part.name, std::as_bytes(std::span(*ready)));
          return;
        }
        const Index begin = w * kPieceBytes;
        const Index count = std::min(kPieceBytes, std::ssize(buffer) - begin);
        draw_bytes(
            seed_, stream, first + begin, table,
            std::span(buffer).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(count)));
      });
      ready = buffer.empty() ? nullptr : &buffer;
    }
  }

  void write_all(io::SafetensorsWriter& writer, const std::string& name, std::span<const std::byte> bytes) {
    writer.write(name, bytes);
    advance(std::ssize(bytes));
  }

  void advance(Index bytes) {
    done_ += bytes;
    progress_(done_, total_);
  }

  const ModelConfig& config_;
  const float std_;
  const BnbOptions options_;
  const std::uint64_t seed_;
  const std::function<void(Index, Index)>& progress_;
  const std::array<std::uint8_t, 256> pairs_ = make_pairs();
  std::array<std::uint8_t, 256> identity_{};
  std::array<std::vector<std::uint8_t>, 2> buffers_;
  Index done_ = 0;   // bytes
  Index total_ = 0;  // bytes
};

}  // namespace

void write_random_nf4(const std::filesystem::path& folder, const ModelConfig& config, float std, DType dtype,
                      std::uint64_t seed, const std::function<void(Index, Index)>& progress,
                      Index shard_bytes) {
  Nf4Initializer(config, std, dtype, seed, progress).write(folder, shard_bytes);
}

}  // namespace lorry::model
