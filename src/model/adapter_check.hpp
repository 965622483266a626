// model/adapter_check.hpp: whether an adapter's config and its tensors agree, as far as that can be told
// without the base model. Every reader of adapters asks this first, so that all refuse the same files.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "io/safetensors.hpp"
#include "model/peft_config.hpp"

namespace lorry::model {

/// Throws Error, naming the tensor and the field, for biases, saved modules and updates' biases that the
/// config denies, for an update's bias that it promises and that is missing, and for such tensors and halves
/// of embeddings' updates that are no floats or whose shape cannot be. Copies of embeddings and head, which
/// PEFT repeats beside an adapted head, pass. `where` names the config: "[load] x.json: field".
void check_beside_tensors(const PeftConfig& config, const io::SafetensorsFile& file, std::string_view where);

/// Throws Error where target_modules, exclude_modules, layers_to_transform and modules_to_save do not select
/// every module of which the file holds a low-rank update. `where` as above.
void check_selection(const PeftConfig& config, const io::SafetensorsFile& file, std::string_view where);

/// Throws Error for NaN or infinity in what the file holds beside lora_A and lora_B of linear layers.
void check_beside_values(const io::SafetensorsFile& file);

/// What an adapter holds beside lora_A and lora_B of linear layers.
struct BesideParts {
  /// Fields: "modules_to_save", "trainable_token_indices", "bias", "lora_bias", "lora_embedding".
  std::vector<std::string> trained = {};
  std::vector<std::string> repeated = {};  // modules of which the base's own weight is repeated
};
BesideParts beside_parts(const PeftConfig& config, const io::SafetensorsFile& file);

}  // namespace lorry::model
