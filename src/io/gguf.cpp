#include "io/gguf.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/check.hpp"
#include "core/error.hpp"
#include "io/gguf_head.hpp"
#include "io/message_text.hpp"

namespace lorry::io {

namespace fs = std::filesystem;

namespace {

constexpr Index kAlignment = 32;  // where the file does not say
constexpr Index kMostAlignment = Index{1} << 30;
constexpr Index kMostParts = 99999;  // five digits
constexpr Index kMostTensors = Index{1} << 31;

std::span<const std::byte> place_of(const GgufHead::Entry& entry, std::span<const std::byte> data,
                                    Index alignment, const std::string& file) {
  const auto fail = [&](const std::string& found, const std::string& expected) {
    throw Error("[load] {}: tensor {}: found {}; expected {}", file, in_quotes(entry.name), found, expected);
  };
  if (entry.offset % static_cast<std::uint64_t>(alignment) != 0) {
    fail(fmt::format("offset {}", entry.offset), fmt::format("a multiple of {}", alignment));
  }
  const auto bytes = static_cast<std::uint64_t>(entry.bytes);
  if (entry.offset > data.size() || bytes > data.size() - entry.offset) {
    fail(fmt::format("{} bytes at offset {} of {} bytes of data", bytes, entry.offset, data.size()),
         "a place inside; perhaps an incomplete download");
  }
  return data.subspan(entry.offset, bytes);
}

void check_apart(const std::vector<GgufTensor>& tensors, const std::string& file) {
  std::vector<const GgufTensor*> sorted;
  sorted.reserve(tensors.size());
  for (const GgufTensor& tensor : tensors) sorted.push_back(&tensor);
  std::sort(sorted.begin(), sorted.end(),
            [](const GgufTensor* a, const GgufTensor* b) { return a->bytes.data() < b->bytes.data(); });
  for (std::size_t i = 1; i < sorted.size(); ++i) {
    if (sorted[i]->bytes.data() >= sorted[i - 1]->bytes.data() + sorted[i - 1]->bytes.size()) continue;
    throw Error("[load] {}: tensors {} and {}: found to overlap; expected places of their own", file,
                in_quotes(sorted[i - 1]->name), in_quotes(sorted[i]->name));
  }
}

/// "NAME-00001-of-00003.gguf" as "NAME"; empty for other names.
std::string part_prefix(const fs::path& path, Index part, Index count) {
  const std::string name = path.filename().string();
  const std::string ending = fmt::format("-{:05}-of-{:05}.gguf", part + 1, count);
  return name.ends_with(ending) ? name.substr(0, name.size() - ending.size()) : "";
}

}  // namespace

Index gguf_alignment(const GgufMetadata& metadata) {
  constexpr std::string_view kKey = "general.alignment";
  const Index found = metadata.find_index(kKey, 1, kMostAlignment).value_or(kAlignment);
  if ((found & (found - 1)) != 0) metadata.fail(kKey, fmt::format("{}", found), "a power of two");
  return found;
}

Index GgufTensor::elements() const noexcept {
  Index product = 1;
  for (const Index size : shape) product *= size;
  return product;
}

GgufFile::GgufFile(const fs::path& path)
    : file_(std::make_shared<const MappedFile>(path)), metadata_(path.string(), {}) {
  const std::string name = path.string();
  GgufHead head = parse_gguf_head(file_->bytes(), name);
  metadata_ = GgufMetadata(name, std::move(head.values));
  pairs_ = std::move(head.pairs);
  const Index alignment = gguf_alignment(metadata_);
  const Index begin = std::min(aligned(head.length, alignment), file_->size());
  const auto data = file_->bytes().subspan(static_cast<std::size_t>(begin));
  tensors_.reserve(head.tensors.size());
  for (GgufHead::Entry& entry : head.tensors) {
    const auto bytes = place_of(entry, data, alignment, name);
    tensors_.push_back({std::move(entry.name), entry.type, std::move(entry.shape), bytes});
  }
  check_apart(tensors_, name);
}

GgufModel::GgufModel(const fs::path& path) {
  const GgufMetadata& metadata = files_.emplace_back(path).metadata();
  const Index count = metadata.find_index("split.count", 0, kMostParts).value_or(1);
  if (count > 1) open_parts(path, count);
  list_tensors();
  if (count <= 1) return;
  const auto wanted = this->metadata().find_index("split.tensors.count", 0, kMostTensors);
  if (wanted && *wanted != static_cast<Index>(tensors_.size())) {
    this->metadata().fail("split.tensors.count", fmt::format("{}", *wanted),
                          fmt::format("{}, as its parts have", tensors_.size()));
  }
}

void GgufModel::open_parts(const fs::path& first, Index count) {
  const Index number = files_.front().metadata().get_index("split.no", 0, count - 1);
  const std::string prefix = part_prefix(first, number, count);
  if (prefix.empty()) {
    throw Error("[load] {}: found part {} of {}; expected a name that ends with -{:05}-of-{:05}.gguf",
                first.string(), number + 1, count, number + 1, count);
  }
  const auto path_of = [&](Index part) {
    return first.parent_path() / fmt::format("{}-{:05}-of-{:05}.gguf", prefix, part + 1, count);
  };
  if (number != 0) {
    throw Error("[load] {}: found part {} of {}; expected the first, {}", first.string(), number + 1, count,
                path_of(0).string());
  }
  for (Index part = 1; part < count; ++part) {
    const fs::path path = path_of(part);
    std::error_code ignored;
    if (!fs::exists(path, ignored)) {
      throw Error("[load] {}: missing; {} is the first of {} parts", path.string(),
                  in_quotes(first.filename().string()), count);
    }
    const GgufMetadata& metadata = files_.emplace_back(path).metadata();
    if (metadata.get_index("split.count", 0, kMostParts) != count) {
      metadata.fail("split.count", "another number of parts", fmt::format("{}, as the first says", count));
    }
    if (metadata.get_index("split.no", 0, kMostParts) != part) {
      metadata.fail("split.no", "another part", fmt::format("{}", part));
    }
  }
}

void GgufModel::list_tensors() {
  for (const GgufFile& file : files_) {
    for (const GgufTensor& tensor : file.tensors()) {
      if (tensors_.emplace(tensor.name, &tensor).second) continue;
      throw Error("[load] {}: tensor {}: found in another part too; expected every tensor once",
                  file.path().string(), in_quotes(tensor.name));
    }
  }
}

const GgufTensor* GgufModel::find(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : found->second;
}

const fs::path& GgufModel::file_of(std::string_view name) const {
  const GgufTensor* const tensor = find(name);
  LORRY_CHECK(tensor != nullptr);
  for (const GgufFile& file : files_) {
    const std::vector<GgufTensor>& tensors = file.tensors();
    if (tensor >= tensors.data() && tensor < tensors.data() + tensors.size()) return file.path();
  }
  check_failed(__FILE__, __LINE__, "a tensor of no file");
}

bool is_gguf_path(const fs::path& path) {
  std::error_code ignored;
  return path.extension() == ".gguf" && !fs::is_directory(path, ignored);
}

}  // namespace lorry::io
