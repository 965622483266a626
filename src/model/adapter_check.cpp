#include "model/adapter_check.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "core/error.hpp"
#include "io/message_text.hpp"
#include "model/module_ranks.hpp"
#include "model/name_pattern.hpp"
#include "model/peft_names.hpp"
#include "model/tensor_values.hpp"
#include "model/trained_copies.hpp"

namespace lorry::model {

namespace {

constexpr const char* kHeadName = "lm_head";  // of every family

/// Embeddings and heads, whose weights PEFT repeats.
bool is_table(const std::string& module) {
  constexpr std::array<std::string_view, 3> kNames = {"embed_tokens", "wte", kHeadName};
  return std::find(kNames.begin(), kNames.end(), last_part(module)) != kNames.end();
}

/// What a tensor is beside lora_A and lora_B of linear layers.
enum class BesideKind {
  kNone,  // one of these, or one that PEFT does not read back
  kUpdateBias,
  kEmbeddingHalf,
  kTokenRows,
  kBaseTensor,
};

struct BesideTensor {
  BesideKind kind = BesideKind::kNone;
  std::string module = {};
};

BesideTensor beside_tensor(const std::string& name) {
  if (is_stray_copy(name)) return {};
  if (auto update = module_of(name, kLoraBBias)) return {BesideKind::kUpdateBias, std::move(*update)};
  if (auto table = embedding_module_of(name)) return {BesideKind::kEmbeddingHalf, std::move(*table)};
  if (auto table = module_of(name, kTokenRows)) return {BesideKind::kTokenRows, std::move(*table)};
  if (auto base = base_module_of(name)) return {BesideKind::kBaseTensor, std::move(*base)};
  return {};
}

std::string path_of(const io::SafetensorsFile& file) {
  return file.path().string();
}

[[noreturn]] void throw_denied(const io::SafetensorsFile& file, const io::TensorView& tensor,
                               std::string_view field, const std::string& value, std::string_view expected) {
  throw Error("[load] {}: tensor {}: found with \"{}\": {} in {}; expected {}, or no such tensor",
              path_of(file), io::in_quotes(tensor.name), field, value, kAdapterConfigFile, expected);
}

std::string saved_text(const PeftConfig& config) {
  if (config.modules_to_save.empty()) return "null";
  std::vector<std::string> names;
  names.reserve(config.modules_to_save.size());
  for (const std::string& name : config.modules_to_save) names.push_back(io::in_quotes(name));
  return fmt::format("[{}]", fmt::join(names, ", "));
}

void check_base_tensor(const PeftConfig& config, const io::SafetensorsFile& file,
                       const io::TensorView& tensor, const std::string& module) {
  if (is_saved_module(config, module)) return;
  if (!tensor.name.ends_with(".bias")) {
    if (is_table(module)) return;
    throw_denied(file, tensor, "modules_to_save", saved_text(config), "its module there");
  }
  const bool adapted = tensor.name.ends_with(".base_layer.bias");
  if (config.bias == BiasTraining::kAll || (config.bias == BiasTraining::kLoraOnly && adapted)) return;
  throw_denied(file, tensor, "bias", fmt::format("\"{}\"", word_of(config.bias)),
               adapted ? R"("all" or "lora_only")" : R"("all")");
}

void check_type(const io::SafetensorsFile& file, const io::TensorView& tensor) {
  if (is_float_tensor(tensor)) return;
  throw Error("[load] {}: tensor {} has type {}; supported: F32, F16, BF16", path_of(file),
              io::in_quotes(tensor.name), name_of(tensor.dtype));
}

/// Of a bias that stands beside `module`'s update.
void check_outputs(const io::SafetensorsFile& file, const io::TensorView& tensor, const std::string& module) {
  const io::TensorView* const b = file.find(peft_name(module, kLoraB));
  if (b == nullptr) {
    throw Error("[load] {}: tensor {}: found without {} of its module; expected both", path_of(file),
                io::in_quotes(tensor.name), kLoraB.substr(1));
  }
  if (b->shape.size() != 2 || tensor.shape == std::vector<Index>{b->shape[0]}) return;
  throw Error("[load] {}: tensor {} is [{}]; {} of its module says [{}]", path_of(file),
              io::in_quotes(tensor.name), fmt::join(tensor.shape, ","), kLoraB.substr(1), b->shape[0]);
}

/// Of a copy of a base tensor: a vector, or a weight's matrix.
void check_copy(const io::SafetensorsFile& file, const io::TensorView& tensor) {
  const bool bias = tensor.name.ends_with(".bias");
  const std::size_t most = bias ? 1 : 2;
  if (tensor.elements() > 0 && !tensor.shape.empty() && tensor.shape.size() <= most) return;
  throw Error("[load] {}: tensor {} is [{}]; expected {}", path_of(file), io::in_quotes(tensor.name),
              fmt::join(tensor.shape, ","), bias ? "a vector" : "a vector or a matrix");
}

/// Of a half of an embedding's update: rank in the right place, and the other half there.
void check_embedding_half(const io::SafetensorsFile& file, const io::TensorView& tensor,
                          const std::string& module, Index rank) {
  const bool first = module_of(tensor.name, kLoraEmbeddingA).has_value();
  const std::string other = peft_name(module, first ? kLoraEmbeddingB : kLoraEmbeddingA);
  if (file.find(other) == nullptr) {
    throw Error("[load] {}: tensor {} is missing; expected beside {}", path_of(file), io::in_quotes(other),
                io::in_quotes(tensor.name));
  }
  const std::size_t place = first ? 0 : 1;
  if (tensor.shape.size() == 2 && tensor.elements() > 0 && tensor.shape[place] == rank) return;
  throw Error("[load] {}: tensor {} is [{}]; {} says rank {}", path_of(file), io::in_quotes(tensor.name),
              fmt::join(tensor.shape, ","), kAdapterConfigFile, rank);
}

/// Of rows that trained.
void check_token_rows(const PeftConfig& config, const io::SafetensorsFile& file,
                      const io::TensorView& tensor) {
  if (config.trainable_token_indices.empty()) {
    throw_denied(file, tensor, "trainable_token_indices", "null", "its tokens there");
  }
  if (tensor.shape.size() == 2 && tensor.elements() > 0) return;
  throw Error("[load] {}: tensor {} is [{}]; expected a matrix", path_of(file), io::in_quotes(tensor.name),
              fmt::join(tensor.shape, ","));
}

/// Modules with a low-rank update, in the order of the file.
struct Updated {
  std::vector<std::string> linears;
  std::vector<std::string> embeddings;
};

Updated updated_modules(const io::SafetensorsFile& file) {
  Updated found;
  const auto add = [](std::vector<std::string>& names, const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  std::set<std::string> linears;
  for (const io::TensorView& tensor : file.tensors()) {
    std::optional<std::string> module = module_of(tensor.name, kLoraA);
    if (!module) module = module_of(tensor.name, kLoraB);
    if (module && linears.insert(*module).second) found.linears.push_back(*module);
    if (const auto embedding = embedding_module_of(tensor.name)) add(found.embeddings, *embedding);
  }
  return found;
}

/// Those of `modules` that target_modules selects.
std::vector<std::string> targeted(const TargetModules& targets, const std::vector<std::string>& modules,
                                  std::string_view where) {
  std::vector<std::string> chosen;
  const auto choose = [&](const auto& selects) {
    std::copy_if(modules.begin(), modules.end(), std::back_inserter(chosen), selects);
  };
  if (targets.pattern == kAllLinear) {
    choose([](const std::string& module) { return module != kHeadName; });
  } else if (!targets.pattern.empty()) {
    const NamePattern pattern =
        NamePattern::whole(targets.pattern, fmt::format("{} \"target_modules\"", where));
    choose([&](const std::string& module) { return pattern.matches(module); });
  } else {
    choose([&](const std::string& module) {
      return std::any_of(targets.names.begin(), targets.names.end(),
                         [&](const std::string& name) { return name_selects(name, module); });
    });
  }
  return chosen;
}

void refuse_others(const io::SafetensorsFile& file, const std::vector<std::string>& modules,
                   const std::vector<std::string>& kept, std::string_view rule) {
  const std::set<std::string> known(kept.begin(), kept.end());
  for (const std::string& module : modules) {
    if (known.contains(module)) continue;
    throw Error("[load] {}: module {} is not among the layers that {}; adapter for another model?",
                path_of(file), io::in_quotes(module), rule);
  }
}

/// Of an adapter whose config says that every update has a bias.
void check_every_bias(const io::SafetensorsFile& file) {
  for (const std::string& module : updated_modules(file).linears) {
    const std::string bias = peft_name(module, kLoraBBias);
    if (file.find(bias) != nullptr) continue;
    throw Error("[load] {}: tensor {}: missing; expected by \"lora_bias\": true in {}", path_of(file),
                io::in_quotes(bias), kAdapterConfigFile);
  }
}

void check_numbers(const io::SafetensorsFile& file, const io::TensorView& tensor) {
  constexpr Index kPiece = Index{1} << 16;
  std::vector<float> values(static_cast<std::size_t>(std::min(kPiece, tensor.elements())));
  for (Index first = 0; first < tensor.elements(); first += kPiece) {
    const std::span<float> piece(values.data(),
                                 static_cast<std::size_t>(std::min(kPiece, tensor.elements() - first)));
    read_floats(tensor, first, piece);
    if (std::all_of(piece.begin(), piece.end(), [](float value) { return std::isfinite(value); })) continue;
    throw Error("[load] {}: tensor {}: found NaN or infinity; expected finite numbers: did training diverge?",
                path_of(file), io::in_quotes(tensor.name));
  }
}

}  // namespace

void check_beside_tensors(const PeftConfig& config, const io::SafetensorsFile& file, std::string_view where) {
  if (config.lora_bias) check_every_bias(file);
  const ModuleRanks ranks(config, where);
  for (const io::TensorView& tensor : file.tensors()) {
    const auto [kind, module] = beside_tensor(tensor.name);
    switch (kind) {
      case BesideKind::kNone:
        continue;
      case BesideKind::kUpdateBias:
        if (!config.lora_bias) throw_denied(file, tensor, "lora_bias", "false", "true");
        check_outputs(file, tensor, module);
        break;
      case BesideKind::kEmbeddingHalf:
        check_embedding_half(file, tensor, module, ranks.rank(module));
        break;
      case BesideKind::kTokenRows:
        check_token_rows(config, file, tensor);
        break;
      case BesideKind::kBaseTensor:
        check_base_tensor(config, file, tensor, module);
        check_copy(file, tensor);
        if (tensor.name.ends_with(".base_layer.bias")) check_outputs(file, tensor, module);
        break;
    }
    check_type(file, tensor);
  }
}

void check_selection(const PeftConfig& config, const io::SafetensorsFile& file, std::string_view where) {
  const Updated updated = updated_modules(file);
  check_embeddings(config, updated.embeddings, where);
  const std::vector<std::string> linears = targeted(config.target_modules, updated.linears, where);
  refuse_others(file, updated.linears, linears, "target_modules selects");
  const bool all_linear = config.target_modules.pattern == kAllLinear;
  const std::vector<std::string> embeddings =
      all_linear ? std::vector<std::string>() : targeted(config.target_modules, updated.embeddings, where);
  refuse_others(file, updated.embeddings, embeddings, "target_modules selects");
  const auto check_filter = [&](const ModuleFilter& filter, std::string_view rule) {
    if (linears.empty()) return;
    const std::vector<std::string> kept = filter_modules(linears, config.target_modules, filter,
                                                         updated.linears, where, UnmatchedName::kIgnore);
    refuse_others(file, linears, kept, rule);
  };
  ModuleFilter excluding;
  excluding.exclude_modules = config.filter.exclude_modules;
  check_filter(excluding, "exclude_modules leaves");
  ModuleFilter layers = config.filter;
  layers.exclude_modules = {};
  check_filter(layers, "layers_to_transform leaves");
  std::vector<std::string> all = linears;
  all.insert(all.end(), embeddings.begin(), embeddings.end());
  std::vector<std::string> left = all;
  remove_saved_modules(config, where, left);
  refuse_others(file, all, left, "modules_to_save leaves");
}

void check_beside_values(const io::SafetensorsFile& file) {
  for (const io::TensorView& tensor : file.tensors()) {
    const bool half = module_of(tensor.name, kLoraA) || module_of(tensor.name, kLoraB);
    if (!half && !is_stray_copy(tensor.name) && is_float_tensor(tensor)) check_numbers(file, tensor);
  }
}

BesideParts beside_parts(const PeftConfig& config, const io::SafetensorsFile& file) {
  std::set<std::string> trained;
  std::set<std::string> repeated;
  for (const io::TensorView& tensor : file.tensors()) {
    const auto [kind, module] = beside_tensor(tensor.name);
    if (kind == BesideKind::kUpdateBias) trained.insert("lora_bias");
    if (kind == BesideKind::kEmbeddingHalf) trained.insert("lora_embedding");
    if (kind == BesideKind::kTokenRows) trained.insert("trainable_token_indices");
    if (kind != BesideKind::kBaseTensor) continue;
    if (is_saved_module(config, module)) {
      trained.insert("modules_to_save");
    } else if (tensor.name.ends_with(".bias")) {
      trained.insert("bias");
    } else {
      repeated.insert(module);
    }
  }
  BesideParts parts{.repeated = {repeated.begin(), repeated.end()}};
  for (const char* field :
       {"modules_to_save", "trainable_token_indices", "bias", "lora_bias", "lora_embedding"}) {
    if (trained.contains(field)) parts.trained.emplace_back(field);
  }
  return parts;
}

}  // namespace lorry::model
