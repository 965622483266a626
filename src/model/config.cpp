#include "model/config.hpp"

#include <fmt/ranges.h>

#include "core/error.hpp"
#include "io/gguf.hpp"
#include "io/json_fields.hpp"
#include "model/bnb_format.hpp"
#include "model/families/families.hpp"
#include "model/gguf_config.hpp"

namespace lorry::model {

namespace {

std::string supported_families() {
  std::vector<std::string_view> names;
  names.reserve(kFamilies.size());
  for (const Family& family : kFamilies) names.push_back(family.model_type);
  return fmt::format("{}", fmt::join(names, ", "));
}

/// Where a map stays Conv1D, the folder would have both layouts.
void refuse_skipped_modules(const io::Json& json, const std::string& file, const std::string& head) {
  constexpr const char* kField = "quantization_config.llm_int8_skip_modules";
  for (const std::string& name : io::find_strings(json, kField, file).value_or(std::vector<std::string>())) {
    if (name == head) continue;
    io::throw_field_error(file, kField, io::find_field(json, kField, file),
                          "null: all maps of the blocks quantised");
  }
}

}  // namespace

ModelConfig load_model_config(const std::filesystem::path& folder_or_file) {
  if (io::is_gguf_path(folder_or_file)) return gguf_model_config(io::GgufModel(folder_or_file));
  const bool is_folder = std::filesystem::is_directory(folder_or_file);
  const std::filesystem::path path = is_folder ? folder_or_file / "config.json" : folder_or_file;
  if (is_folder && !std::filesystem::exists(path)) {
    throw Error("[load] {}: config.json is missing; expected a model folder", folder_or_file.string());
  }
  const io::Json json = io::read_json_file(path);
  const std::string file = path.string();
  if (!json.is_object())
    throw Error("[load] {}: found a JSON {}; expected an object", file, json.type_name());
  const std::string type = io::get_string(json, "model_type", file);
  for (const Family& family : kFamilies) {
    if (family.model_type != type) continue;
    ModelConfig config = family.parse(json, file);
    config.model_type = type;
    // bitsandbytes takes Conv1D for a linear map, and stores it as one.
    if (is_bnb_quantized(json, file) && config.conv1d) {
      refuse_skipped_modules(json, file, config.names.head);
      config.conv1d = false;
    }
    return config;
  }
  throw Error("[load] {}: field \"model_type\": found \"{}\"; supported: {}", file, type,
              supported_families());
}

}  // namespace lorry::model
