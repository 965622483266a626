// model/peft_config.hpp: adapter_config.json, as the PEFT library reads and writes it.
#pragma once
#include <array>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/target_modules.hpp"
#include "tensor/matrix.hpp"

namespace lorry::model {

inline constexpr const char* kAdapterConfigFile = "adapter_config.json";
inline constexpr const char* kAdapterWeightsFile = "adapter_model.safetensors";

/// How A starts; B starts at zero in both.
enum class LoraInit {
  kKaimingUniform,  // PEFT's default: A ~ U(-1/sqrt(inputs), 1/sqrt(inputs))
  kGaussian,        // "gaussian": A ~ N(0, (1/rank)^2)
};

/// Which biases of the base train and are saved with the adapter.
enum class BiasTraining { kNone, kAll, kLoraOnly };

inline constexpr std::array<std::pair<std::string_view, BiasTraining>, 3> kBiasWords = {
    {{"none", BiasTraining::kNone}, {"all", BiasTraining::kAll}, {"lora_only", BiasTraining::kLoraOnly}}};
std::string_view word_of(BiasTraining bias);

/// Keys over module names and what they stand for, in the order in which they are tried; see
/// model/module_ranks.hpp.
template <class T>
using ModulePattern = std::vector<std::pair<std::string, T>>;

/// The fields of LoraConfig that Lorry implements, under PEFT's names and defaults.
struct PeftConfig {
  Index r = 8;
  double lora_alpha = 8.0;
  ModulePattern<Index> rank_pattern;    // instead of r
  ModulePattern<double> alpha_pattern;  // instead of lora_alpha
  double lora_dropout = 0.0;
  TargetModules target_modules;
  LoraInit init_lora_weights = LoraInit::kKaimingUniform;
  std::vector<std::string> modules_to_save;  // trained and saved in full; see model/trained_copies.hpp
  BiasTraining bias = BiasTraining::kNone;
  bool lora_bias = false;       // a bias beside every B
  bool fan_in_fan_out = false;  // written for models with Conv1D; the layout itself comes from the model
  std::string base_model_name_or_path;

  /// The field by which the adapter holds more than A and B of linear layers, such as "bias"; empty: none
  /// does.
  [[nodiscard]] std::string_view holds_more() const;
  /// Of modules that no pattern names.
  [[nodiscard]] float scale() const { return static_cast<float>(lora_alpha / static_cast<double>(r)); }
};

/// What alpha may be in size. Kernels take alpha / rank as a float32, which must neither overflow nor vanish
/// for any rank.
inline constexpr double kLeastAlpha = 1e-30;
inline constexpr double kMostAlpha = 1e30;

/// Throws Error unless every rank is >= 1, every alpha within those bounds, and dropout lies in [0, 1).
void check_config(const PeftConfig& config, std::string_view where);

/// Reads FOLDER/adapter_config.json, patterns in the order of the file. Missing fields take PEFT's defaults.
/// Any field that is set to something Lorry does not implement is refused by name: ignoring it would give a
/// wrong adapter. Throws Error.
PeftConfig load_peft_config(const std::filesystem::path& folder);

/// Writes the fields every version of PEFT knows, and patterns where there are any, atomically.
void save_peft_config(const std::filesystem::path& folder, const PeftConfig& config);

}  // namespace lorry::model
