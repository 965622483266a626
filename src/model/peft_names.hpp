// model/peft_names.hpp: how PEFT names the tensors of adapter_model.safetensors.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace lorry::model {

inline constexpr std::string_view kPeftPrefix = "base_model.model.";
inline constexpr std::string_view kLoraA = ".lora_A.weight";  // [rank, inputs]
inline constexpr std::string_view kLoraB = ".lora_B.weight";  // [outputs, rank]

inline std::string peft_name(std::string_view module, std::string_view suffix) {
  return std::string(kPeftPrefix).append(module).append(suffix);
}

/// The module whose half `name` is; nothing for a tensor of another kind.
inline std::optional<std::string> module_of(std::string_view name, std::string_view suffix) {
  if (!name.starts_with(kPeftPrefix) || !name.ends_with(suffix)) return std::nullopt;
  return std::string(name.substr(kPeftPrefix.size(), name.size() - kPeftPrefix.size() - suffix.size()));
}

/// The module whose base weight `name` repeats, as PEFT adds it when the head is adapted; nothing for a
/// tensor of another kind.
inline std::optional<std::string> base_module_of(std::string_view name) {
  if (module_of(name, kLoraA) || module_of(name, kLoraB)) return std::nullopt;
  std::optional<std::string> module = module_of(name, ".base_layer.weight");
  return module ? module : module_of(name, ".weight");
}

}  // namespace lorry::model
