#include "model/base_model.hpp"

#include "core/error.hpp"
#include "io/gguf.hpp"
#include "io/message_text.hpp"

namespace lorry::model {

namespace fs = std::filesystem;

std::optional<fs::path> find_base_model(const fs::path& adapter, const PeftConfig& config) {
  const fs::path named = config.base_model_name_or_path;
  if (named.empty()) return std::nullopt;
  std::error_code ignored;
  for (const fs::path& place : {named, adapter / named}) {
    if (fs::exists(place / "config.json", ignored)) return place;
    if (io::is_gguf_path(place) && fs::exists(place, ignored)) return place;
  }
  return std::nullopt;
}

fs::path base_model_of(const fs::path& adapter) {
  const PeftConfig config = load_peft_config(adapter);
  if (std::optional<fs::path> found = find_base_model(adapter, config)) return *std::move(found);
  const std::string file = (adapter / kAdapterConfigFile).string();
  if (config.base_model_name_or_path.empty()) {
    throw Error("[load] {}: field \"base_model_name_or_path\": found no model; expected --model DIR", file);
  }
  throw Error(
      "[load] {}: field \"base_model_name_or_path\": found {}, which is no model folder here or from the "
      "adapter's folder; expected --model DIR",
      file, io::in_quotes(config.base_model_name_or_path));
}

}  // namespace lorry::model
