#include "model/model_folder.hpp"

#include <array>
#include <string_view>

#include "core/error.hpp"
#include "io/atomic_file.hpp"
#include "io/gguf.hpp"
#include "io/json_file.hpp"
#include "io/tensor_folder.hpp"
#include "io/text_file.hpp"
#include "model/config.hpp"
#include "model/weights.hpp"

namespace lorry::model {

namespace {

/// Files that make a folder a model without being weights.
bool is_side_file(const std::filesystem::path& path) {
  constexpr std::array<std::string_view, 4> kEndings = {".json", ".txt", ".jinja", ".model"};
  const std::string name = path.filename().string();
  // Nor the state of the training that the folder came from.
  if (name == io::kModelIndexFile || name == "trainer_state.json" || name.starts_with("adapter_"))
    return false;
  for (const std::string_view ending : kEndings) {
    if (name.ends_with(ending)) return true;
  }
  return false;
}

}  // namespace

void copy_side_files(const std::filesystem::path& from, const std::filesystem::path& to) {
  for (const auto& entry : std::filesystem::directory_iterator(from)) {
    if (!entry.is_regular_file() || !is_side_file(entry.path())) continue;
    io::AtomicFile file(to / entry.path().filename());
    file.write(io::read_text_file(entry.path()));
    file.commit();
  }
}

void write_index(const std::filesystem::path& folder,
                 const std::map<std::string, std::string>& file_of_tensor, Index total_bytes) {
  const io::OrderedJson json = {{"metadata", {{"total_size", total_bytes}}}, {"weight_map", file_of_tensor}};
  io::write_json_file(folder / io::kModelIndexFile, json);
}

DType stored_dtype(const std::filesystem::path& folder) {
  if (io::is_gguf_path(folder)) {
    throw Error("[load] {}: found a GGUF file; expected a Hugging Face folder to train every weight of",
                folder.string());
  }
  const ModelConfig config = load_model_config(folder);
  const io::TensorFolder tensors(folder);
  const io::TensorView* embedding =
      find_tensor(tensors, config, config.names.root + config.names.embedding + ".weight");
  return embedding != nullptr ? embedding->dtype : DType::kF32;
}

}  // namespace lorry::model
