// model/peft_names.hpp: how PEFT names the tensors of adapter_model.safetensors.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace lorry::model {

inline constexpr std::string_view kPeftPrefix = "base_model.model.";
inline constexpr std::string_view kLoraA = ".lora_A.weight";  // [rank, inputs]
inline constexpr std::string_view kLoraB = ".lora_B.weight";  // [outputs, rank]

inline constexpr std::string_view kLoraEmbeddingA = ".lora_embedding_A";  // [rank, rows of the table]
inline constexpr std::string_view kLoraEmbeddingB = ".lora_embedding_B";  // [width, rank]
inline constexpr std::string_view kLoraBBias = ".lora_B.bias";            // [outputs]
inline constexpr std::string_view kMagnitude = ".lora_magnitude_vector";  // [outputs], of DoRA
inline constexpr std::string_view kTokenRows = ".token_adapter.trainable_tokens_delta";  // [tokens, width]

inline std::string peft_name(std::string_view module, std::string_view suffix) {
  return std::string(kPeftPrefix).append(module).append(suffix);
}

/// The module whose half `name` is; nothing for a tensor of another kind.
inline std::optional<std::string> module_of(std::string_view name, std::string_view suffix) {
  if (!name.starts_with(kPeftPrefix) || !name.ends_with(suffix)) return std::nullopt;
  return std::string(name.substr(kPeftPrefix.size(), name.size() - kPeftPrefix.size() - suffix.size()));
}

/// The embedding one of whose halves `name` is; nothing for a tensor of another kind.
inline std::optional<std::string> embedding_module_of(std::string_view name) {
  std::optional<std::string> module = module_of(name, kLoraEmbeddingA);
  return module ? module : module_of(name, kLoraEmbeddingB);
}

/// The module of whose base weight or bias `name` is a copy: repeated, as PEFT does with an adapted head, or
/// trained (modules_to_save, bias). Nothing for a tensor of another kind.
inline std::optional<std::string> base_module_of(std::string_view name) {
  if (module_of(name, kLoraA) || module_of(name, kLoraB) || module_of(name, kLoraBBias)) return std::nullopt;
  for (const std::string_view suffix :
       {".token_adapter.base_layer.weight", ".base_layer.weight", ".base_layer.bias", ".weight", ".bias"}) {
    if (std::optional<std::string> module = module_of(name, suffix)) return module;
  }
  return std::nullopt;
}

/// With `bias` all, or a resized vocabulary, PEFT writes what a module of modules_to_save holds twice more,
/// under names of its wrapper that it does not read back.
inline bool is_stray_copy(std::string_view name) {
  return (name.ends_with(".bias") || name.ends_with(".weight")) &&
         (name.find(".original_module.") != std::string_view::npos ||
          name.find(".modules_to_save.") != std::string_view::npos);
}

}  // namespace lorry::model
