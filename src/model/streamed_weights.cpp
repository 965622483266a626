// Weights: their part that is read from the disk while passes compute.
#include <algorithm>
#include <functional>
#include <map>

#include "core/error.hpp"
#include "core/machine.hpp"
#include "model/module_place.hpp"
#include "model/weight_bytes.hpp"
#include "model/weights.hpp"

namespace lorry::model {

std::vector<std::span<const std::byte>> bytes_of(WeightView view) {
  if (!view.is_packed()) {
    if (view.rows == 0) return {};
    const ConstMatrixView dense = view.dense;
    const std::byte* const end = dense.row_range(dense.rows - 1, 1).data + dense.cols * size_of(dense.dtype);
    return {{dense.data, end}};
  }
  std::vector<std::span<const std::byte>> all = {view.packed->codes};
  for_each_scales(*view.packed, [&](const auto* first, Index count) {
    all.push_back(std::as_bytes(std::span(first, static_cast<std::size_t>(count))));
  });
  return all;
}

void let_go(std::span<const std::shared_ptr<const io::MappedFile>> files, WeightView read) {
  for (const std::span<const std::byte> bytes : bytes_of(read)) {
    for (const auto& file : files) {
      if (within(bytes, file->bytes())) file->advise(io::MappedFile::Advice::kDontNeed, bytes);
    }
  }
}

bool within(std::span<const std::byte> part, std::span<const std::byte> whole) {
  const std::less_equal<> below;
  return below(whole.data(), part.data()) && below(part.data() + part.size(), whole.data() + whole.size());
}

namespace {

// Of a tensor in the memory of its part: as in its file, so that it can be read directly.
constexpr Index kAlignment = io::StreamedFile::kAlignment;

/// With what lies before it up to there.
Index room_for(std::span<const std::byte> bytes) {
  return (std::ssize(bytes) + 2 * kAlignment - 1) / kAlignment * kAlignment;
}

using MappedFiles = std::vector<std::shared_ptr<const io::MappedFile>>;
using StreamedFiles = std::vector<std::shared_ptr<const io::StreamedFile>>;

/// Whether the system can keep the files in memory beside `budget` bytes of this process.
bool can_be_kept(const MappedFiles& files, Index budget) {
  Index bytes = budget;
  for (const auto& file : files) bytes += file->size();
  const std::optional<Index> available = available_memory();
  return !available || bytes <= *available;
}

StreamedFiles open_again(const MappedFiles& mapped, io::StreamedFile::Reading reading) {
  StreamedFiles streamed;
  for (const auto& file : mapped) {
    streamed.push_back(std::make_shared<const io::StreamedFile>(file->path(), reading));
    if (streamed.back()->size() != file->size()) {
      throw Error("[load] {}: found {} bytes, {} when it was opened: expected a file that stays as it is",
                  file->path().string(), streamed.back()->size(), file->size());
    }
  }
  return streamed;
}

/// Gives tensors of mapped files a place in the memory of a part.
class Mover {
 public:
  Mover(const MappedFiles& mapped, const StreamedFiles& streamed, StreamPart& part)
      : mapped_(mapped), streamed_(streamed), part_(part) {}

  /// The same bytes at their new address; where they are of none of the files, as they are.
  std::span<const std::byte> operator()(std::span<const std::byte> bytes) {
    for (std::size_t i = 0; i < mapped_.size(); ++i) {
      if (!within(bytes, mapped_[i]->bytes())) continue;
      const Index offset = bytes.data() - mapped_[i]->bytes().data();
      const std::span<std::byte> there = {part_.memory->data() + used_ + offset % kAlignment, bytes.size()};
      used_ += room_for(bytes);
      LORRY_CHECK(used_ <= part_.memory->bytes());
      part_.ranges.push_back({streamed_[i].get(), offset, there});
      return there;
    }
    return bytes;
  }

 private:
  const MappedFiles& mapped_;
  const StreamedFiles& streamed_;
  StreamPart& part_;
  Index used_ = 0;
};

PackedMatrix moved(const PackedMatrix& matrix, Mover& move) {
  PackedMatrix result = matrix;
  result.codes = move(matrix.codes);
  for_each_scales(result, [&]<class T>(const T*& first, Index count) {
    const auto bytes = std::as_bytes(std::span(first, static_cast<std::size_t>(count)));
    first = reinterpret_cast<const T*>(move(bytes).data());
  });
  return result;
}

/// Tensors by the number of their block; those of the head under the number of blocks.
std::map<Index, std::vector<std::string>> names_by_part(const ModelConfig& config) {
  std::map<Index, std::vector<std::string>> parts;
  const std::string embedding = config.names.root + config.names.embedding + ".weight";
  const std::string head = config.tie_word_embeddings ? embedding : config.names.head + ".weight";
  for (const TensorSpec& spec : list_tensors(config)) {
    if (spec.shape.size() != 2) continue;
    if (spec.name == head) parts[config.num_hidden_layers].push_back(spec.name);
    const Index layer = place_of(spec.module()).layer;
    if (layer >= 0) parts[layer].push_back(spec.name);
  }
  return parts;
}

}  // namespace

WeightView Weights::for_products(const std::string& name) const {
  if (const auto copy = int8_.find(name); copy != int8_.end()) return WeightView(&copy->second->matrix);
  const auto found = streamed_.find(name);
  return found == streamed_.end() ? at(name) : found->second;
}

std::vector<Index> Weights::part_bytes(const ModelConfig& config) const {
  std::vector<Index> sizes;
  for (const auto& [number, names] : names_by_part(config)) {
    Index sum = 0;
    for (const std::string& name : names) sum += at(name).bytes();
    sizes.push_back(sum);
  }
  std::sort(sizes.rbegin(), sizes.rend());
  return sizes;
}

Index Weights::least_streamed(const ModelConfig& config) const {
  const std::vector<Index> parts = part_bytes(config);
  return parts[0] + (parts.size() > 1 ? parts[1] : 0);
}

void Weights::stop_streaming() {
  stream_.reset();
  streamed_.clear();
}

void Weights::stream(const ModelConfig& config, Index budget,
                     std::optional<io::StreamedFile::Reading> reading) {
  using Reading = io::StreamedFile::Reading;
  LORRY_CHECK(int8_.empty());
  stop_streaming();
  const StreamedFiles files =
      open_again(files_, reading.value_or(can_be_kept(files_, budget) ? Reading::kCached : Reading::kDirect));
  std::vector<StreamPart> parts;
  for (const auto& [number, names] : names_by_part(config)) {
    StreamPart part{.name =
                        number < config.num_hidden_layers ? config.block_name(number) : config.names.head};
    Index room = 0;
    for (const std::string& name : names) {
      for (const std::span<const std::byte> bytes : bytes_of(at(name))) room += room_for(bytes);
    }
    part.memory = std::make_shared<io::PageArena>(room);
    Mover move(files_, files, part);
    for (const std::string& name : names) {
      const WeightView own = at(name);
      if (own.is_packed()) {
        packed_.push_back(std::make_unique<const PackedMatrix>(moved(*own.packed, move)));
        streamed_[name] = WeightView(packed_.back().get());
        continue;
      }
      ConstMatrixView dense = own.dense;
      dense.data = move(bytes_of(own).front()).data();
      streamed_[name] = dense;
    }
    parts.push_back(std::move(part));
  }
  stream_ = std::make_shared<WeightStream>(files, std::move(parts), budget, files_);
}

}  // namespace lorry::model
