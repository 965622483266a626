// io/tensor_folder.hpp: the weights of a Hugging Face folder, in one file or in shards, as one table of
// tensors.
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "io/safetensors.hpp"

namespace lorry::io {

inline constexpr std::string_view kModelFile = "model.safetensors";
inline constexpr std::string_view kModelIndexFile = "model.safetensors.index.json";

/// All tensors of a model folder by name. Opens `model.safetensors`, or the shards that
/// `model.safetensors.index.json` names; maps every file, copies no tensor.
class TensorFolder {
 public:
  /// Throws Error if neither file is there (saying which other weights were found), if a shard is missing or
  /// bad, if a shard name is not a plain file name, if a shard lacks a tensor that the index puts there, or
  /// if two shards hold the same name.
  explicit TensorFolder(std::filesystem::path folder);
  TensorFolder(TensorFolder&&) noexcept = default;  // views stay where they are
  TensorFolder& operator=(TensorFolder&&) noexcept = default;

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return folder_; }
  /// nullptr if there is none of that name.
  [[nodiscard]] const TensorView* find(std::string_view name) const;
  /// As find, but throws Error naming the folder and the tensor.
  [[nodiscard]] const TensorView& at(std::string_view name) const;
  /// The file that holds `name`; it must be there.
  [[nodiscard]] const SafetensorsFile& file_of(std::string_view name) const;
  /// Sorted by name.
  [[nodiscard]] std::vector<std::string> names() const;
  /// The files, sorted by name: for work shard by shard.
  [[nodiscard]] const std::vector<SafetensorsFile>& files() const noexcept { return files_; }
  /// Sum of all tensors' bytes.
  [[nodiscard]] Index total_bytes() const noexcept;

 private:
  struct Place {
    std::size_t file;        // position in files_
    const TensorView* view;  // in that file
  };
  void open_shards(const std::filesystem::path& index);
  void add_file(const std::filesystem::path& path);

  std::filesystem::path folder_;
  std::vector<SafetensorsFile> files_;
  std::map<std::string, Place, std::less<>> places_;
};

}  // namespace lorry::io
