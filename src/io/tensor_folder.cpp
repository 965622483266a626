#include "io/tensor_folder.hpp"

#include <algorithm>
#include <array>
#include <system_error>
#include <utility>

#include "core/check.hpp"
#include "core/error.hpp"
#include "io/json_fields.hpp"
#include "io/json_file.hpp"
#include "io/message_text.hpp"

namespace lorry::io {

namespace fs = std::filesystem;

namespace {

/// Says what else lies in the folder, so that the user sees which file was meant.
[[noreturn]] void throw_no_weights(const fs::path& folder) {
  constexpr std::array kEndings = {".safetensors", ".gguf", ".bin", ".pt", ".pth", ".h5", ".msgpack", ".npz"};
  std::string best;  // the first by ending, then by name
  std::size_t best_ending = kEndings.size();
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    const auto ending = static_cast<std::size_t>(
        std::find(kEndings.begin(), kEndings.end(), entry.path().extension().string()) - kEndings.begin());
    if (ending == kEndings.size()) continue;
    if (std::pair(ending, name) < std::pair(best_ending, best) || best.empty()) {
      best = name;
      best_ending = ending;
    }
  }
  throw Error("[load] {}: found {}; expected weights in safetensors form: {} or {}", folder.string(),
              best.empty() ? "no weights" : in_quotes(best), kModelFile, kModelIndexFile);
}

/// A shard name comes from a downloaded file: it must not lead out of the folder.
bool is_plain_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos;
}

}  // namespace

TensorFolder::TensorFolder(fs::path folder) : folder_(std::move(folder)) {
  std::error_code error;
  if (!fs::exists(folder_, error)) throw Error("[load] {}: no such folder", folder_.string());
  if (!fs::is_directory(folder_, error)) {
    throw Error("[load] {}: found a file; expected the folder of a model", folder_.string());
  }
  if (fs::exists(folder_ / kModelFile, error)) {
    add_file(folder_ / kModelFile);
  } else if (fs::exists(folder_ / kModelIndexFile, error)) {
    open_shards(folder_ / kModelIndexFile);
  } else {
    throw_no_weights(folder_);
  }
}

void TensorFolder::open_shards(const fs::path& index) {
  const Json content = read_json_file(index);
  const Json& weight_map = get_object(content, "weight_map", index.string());
  std::map<std::string, std::string> first_tensor_of;  // by shard
  for (const auto& [tensor, shard] : weight_map.items()) {
    if (!shard.is_string() || !is_plain_name(shard.get_ref<const std::string&>())) {
      throw_field_error(index.string(), "weight_map." + tensor, &shard,
                        "the name of a file in the same folder");
    }
    first_tensor_of.emplace(shard.get<std::string>(), tensor);
  }
  if (first_tensor_of.empty())
    throw_field_error(index.string(), "weight_map", &weight_map, "at least one tensor");
  for (const auto& [shard, tensor] : first_tensor_of) {
    std::error_code error;
    if (!fs::exists(folder_ / shard, error)) {
      throw Error("[load] {}: missing; {} puts the tensor {} there", (folder_ / shard).string(),
                  kModelIndexFile, in_quotes(tensor));
    }
    add_file(folder_ / shard);
  }
  for (const auto& [tensor, shard] : weight_map.items()) {
    const auto place = places_.find(tensor);
    const fs::path file = folder_ / shard.get<std::string>();
    if (place == places_.end() || files_[place->second.file].path() != file) {
      throw Error("[load] {}: tensor {}: missing; {} puts it there", file.string(), in_quotes(tensor),
                  kModelIndexFile);
    }
  }
}

void TensorFolder::add_file(const fs::path& path) {
  const SafetensorsFile& file = files_.emplace_back(path);
  for (const TensorView& tensor : file.tensors()) {
    const auto [place, added] = places_.try_emplace(tensor.name, Place{files_.size() - 1, &tensor});
    if (!added) {
      throw Error("[load] {}: tensor {}: found in {} too; expected every tensor once", path.string(),
                  in_quotes(tensor.name), files_[place->second.file].path().filename().string());
    }
  }
}

const TensorView* TensorFolder::find(std::string_view name) const {
  const auto place = places_.find(name);
  return place == places_.end() ? nullptr : place->second.view;
}

const TensorView& TensorFolder::at(std::string_view name) const {
  if (const TensorView* tensor = find(name)) return *tensor;
  throw Error("[load] {}: tensor {}: missing", folder_.string(), in_quotes(name));
}

const SafetensorsFile& TensorFolder::file_of(std::string_view name) const {
  const auto place = places_.find(name);
  LORRY_CHECK(place != places_.end());
  return files_[place->second.file];
}

std::vector<std::string> TensorFolder::names() const {
  std::vector<std::string> names;
  names.reserve(places_.size());
  for (const auto& [name, place] : places_) names.push_back(name);
  return names;
}

Index TensorFolder::total_bytes() const noexcept {
  Index total = 0;
  for (const auto& [name, place] : places_) total += static_cast<Index>(place.view->bytes.size());
  return total;
}

}  // namespace lorry::io
