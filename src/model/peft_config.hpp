// model/peft_config.hpp: adapter_config.json, as the PEFT library reads and writes it.
#pragma once
#include <array>
#include <cmath>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/module_filter.hpp"
#include "model/target_modules.hpp"
#include "model/token_indices.hpp"
#include "tensor/matrix.hpp"

namespace lorry::model {

inline constexpr const char* kAdapterConfigFile = "adapter_config.json";
inline constexpr const char* kAdapterWeightsFile = "adapter_model.safetensors";

/// How A and B start.
enum class LoraInit {
  kKaimingUniform,  // true, PEFT's default: A ~ U(-1/sqrt(inputs), 1/sqrt(inputs)), B = 0
  kRandom,          // false: the same A, and B ~ U(-1/sqrt(rank), 1/sqrt(rank))
  kGaussian,        // "gaussian": A ~ N(0, (1/rank)^2), B = 0
  kPissa,           // "pissa": the principal directions of W, which the base gives up
  kPissaNiter,      // "pissa_niter_N": nearly these, after N subspace iterations
  kOlora,           // "olora": the first of W = Q R, likewise
};

/// Whether A and B begin as a part of W: the base then goes without that part.
constexpr bool starts_from_weights(LoraInit init) {
  return init == LoraInit::kPissa || init == LoraInit::kPissaNiter || init == LoraInit::kOlora;
}
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
  bool use_rslora = false;              // scale = alpha / sqrt(rank), for every rank and alpha
  bool use_dora = false;                // a trained magnitude for every output (nn/dora.cpp)
  double lora_dropout = 0.0;
  TargetModules target_modules;
  ModuleFilter filter;  // what of them is left out
  LoraInit init_lora_weights = LoraInit::kKaimingUniform;
  Index pissa_niter = 0;                     // N of kPissaNiter
  std::vector<std::string> modules_to_save;  // trained and saved in full; see model/trained_copies.hpp
  std::vector<TokenIndices> trainable_token_indices;  // rows that train and are saved with the adapter
  BiasTraining bias = BiasTraining::kNone;
  bool lora_bias = false;       // a bias beside every B
  bool fan_in_fan_out = false;  // written for models with Conv1D; the layout itself comes from the model
  std::string base_model_name_or_path;

  /// Of modules that no pattern names.
  [[nodiscard]] float scale() const { return static_cast<float>(lora_alpha / rank_divisor(r)); }
  /// What alpha is divided by at this rank.
  [[nodiscard]] double rank_divisor(Index rank) const {
    return use_rslora ? std::sqrt(static_cast<double>(rank)) : static_cast<double>(rank);
  }
};

/// Reads init_lora_weights as PEFT spells it, "true" and "false" included. False, with `config` as it was,
/// for any other text.
bool parse_lora_init(std::string_view text, PeftConfig& config);
/// What parse_lora_init reads.
std::string format_lora_init(const PeftConfig& config);

/// What alpha may be in size. Kernels take alpha / rank as a float32, which must neither overflow nor vanish
/// for any rank.
inline constexpr double kLeastAlpha = 1e-30;
inline constexpr double kMostAlpha = 1e30;
/// Of a fresh adapter: its file may have up to six times its alpha and rank, since parts of a fused map are
/// written as one update, and a start from the weights as two in one.
inline constexpr double kLeastFreshAlpha = 1e-29;
inline constexpr double kMostFreshAlpha = 1e29;

/// Throws Error unless every rank is >= 1, every alpha within those bounds, and dropout lies in [0, 1), and
/// for what PEFT refuses or cannot save: layers with targets that are one expression, or their pattern
/// without numbers.
void check_config(const PeftConfig& config, std::string_view where);
/// The same for an adapter to be made, whose file must be within those bounds too.
void check_fresh_config(const PeftConfig& config, std::string_view where);

/// Throws Error where `config` asks for what updates of embeddings do not have; `embeddings` are those
/// adapted.
void check_embeddings(const PeftConfig& config, const std::vector<std::string>& embeddings,
                      std::string_view where);

/// Reads FOLDER/adapter_config.json, patterns in the order of the file. Missing fields take PEFT's defaults.
/// Any field that is set to something Lorry does not implement is refused by name: ignoring it would give a
/// wrong adapter. Throws Error.
PeftConfig load_peft_config(const std::filesystem::path& folder);

/// Writes the fields every version of PEFT knows, and patterns where there are any, atomically.
void save_peft_config(const std::filesystem::path& folder, const PeftConfig& config);

}  // namespace lorry::model
