// model/base_model.hpp: where the model is that an adapter was trained on.
#pragma once
#include <filesystem>
#include <optional>

#include "model/peft_config.hpp"

namespace lorry::model {

/// The model folder, or GGUF file, that `base_model_name_or_path` of the adapter in `adapter` names. A
/// relative path counts from the current folder, as PEFT reads it, or else from the adapter's. Nothing where
/// no model is there: the name may be one of the Hub, or the path one of another machine.
std::optional<std::filesystem::path> find_base_model(const std::filesystem::path& adapter,
                                                     const PeftConfig& config);

/// The same, and an Error that says where it was looked for.
std::filesystem::path base_model_of(const std::filesystem::path& adapter);

}  // namespace lorry::model
