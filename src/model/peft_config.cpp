#include "model/peft_config.hpp"

#include <array>
#include <cmath>
#include <set>

#include "core/error.hpp"
#include "io/json_fields.hpp"

namespace lorry::model {

namespace {

constexpr Index kMaxRank = 1 << 20;

/// Fields that load_peft_config reads, and fields that cannot change what the adapter computes.
const std::set<std::string_view> kUnderstood = {
    "r",
    "lora_alpha",
    "lora_dropout",
    "target_modules",
    "init_lora_weights",
    "fan_in_fan_out",
    "base_model_name_or_path",
    "peft_type",
    "bias",
    "task_type",
    "inference_mode",
    "auto_mapping",
    "peft_version",
    "revision",
    // Settings of features that are off unless another field turns them on:
    "megatron_core",
    "qalora_group_size",
    "layers_pattern",
    "runtime_config",
};

/// Whether a field says "off", as PEFT writes it for features that are not used.
bool is_off(const io::Json& value) {
  return value.is_null() || value == false || ((value.is_object() || value.is_array()) && value.empty());
}

TargetModules parse_targets(const io::Json& json, const std::string& file) {
  const io::Json* found = io::find_field(json, "target_modules", file);
  if (found != nullptr && found->is_string()) return {.names = {}, .pattern = found->get<std::string>()};
  return {.names = io::get_strings(json, "target_modules", file), .pattern = {}};
}

LoraInit parse_init(const io::Json& json, const std::string& file) {
  const io::Json* found = io::find_field(json, "init_lora_weights", file);
  // false (random B too) matters only at the start of training; the weights in the file are what they are.
  if (found == nullptr || found->is_boolean()) return LoraInit::kKaimingUniform;
  if (*found == "gaussian") return LoraInit::kGaussian;
  io::throw_field_error(file, "init_lora_weights", found,
                        "true, false or \"gaussian\" (the others change the base weights or need data)");
}

void refuse_other_fields(const io::Json& json, const std::string& file) {
  for (const auto& [key, value] : json.items()) {
    if (kUnderstood.contains(key) || is_off(value)) continue;
    throw Error(
        "[load] {}: field \"{}\": found {}; not supported by this version of lorry, expected null or false",
        file, key, value.dump().substr(0, 80));
  }
}

}  // namespace

void check_config(const PeftConfig& config, std::string_view where) {
  if (config.r < 1) throw Error("{}: rank: found {}; expected at least 1", where, config.r);
  if (config.r > kMaxRank) throw Error("{}: rank: found {}; expected at most {}", where, config.r, kMaxRank);
  if (!std::isfinite(config.lora_alpha) || config.lora_alpha == 0.0) {
    throw Error("{}: lora_alpha: found {}; expected a finite number other than 0", where, config.lora_alpha);
  }
  // Kernels take it as a float, in which the last numbers below 1 are 1.
  if (!(config.lora_dropout >= 0.0 && static_cast<float>(config.lora_dropout) < 1.0F)) {
    throw Error("{}: lora_dropout: found {}; expected at least 0 and below 1", where, config.lora_dropout);
  }
}

PeftConfig load_peft_config(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / kAdapterConfigFile;
  if (!std::filesystem::exists(path)) {
    throw Error("[load] {}: {} is missing; expected a PEFT adapter folder", folder.string(),
                kAdapterConfigFile);
  }
  const io::Json json = io::read_json_file(path);
  const std::string file = path.string();
  if (!json.is_object())
    throw Error("[load] {}: found a JSON {}; expected an object", file, json.type_name());
  const std::string type = io::get_string(json, "peft_type", file);
  if (type != "LORA")
    throw Error("[load] {}: field \"peft_type\": found \"{}\"; supported: LORA", file, type);
  const std::string task = io::find_string(json, "task_type", file).value_or("CAUSAL_LM");
  if (task != "CAUSAL_LM")
    throw Error("[load] {}: field \"task_type\": found \"{}\"; supported: CAUSAL_LM", file, task);
  const std::string bias = io::find_string(json, "bias", file).value_or("none");
  if (bias != "none") throw Error("[load] {}: field \"bias\": found \"{}\"; supported: none", file, bias);
  PeftConfig config;
  // Before the other fields: an initialisation brings a field of settings, which says less than its name.
  config.init_lora_weights = parse_init(json, file);
  refuse_other_fields(json, file);
  if (const auto r = io::find_index(json, "r", file, 1, kMaxRank)) config.r = *r;
  if (const auto alpha = io::find_number(json, "lora_alpha", file)) config.lora_alpha = *alpha;
  if (const auto rate = io::find_number(json, "lora_dropout", file)) config.lora_dropout = *rate;
  config.target_modules = parse_targets(json, file);
  config.fan_in_fan_out = io::find_bool(json, "fan_in_fan_out", file).value_or(false);
  config.base_model_name_or_path = io::find_string(json, "base_model_name_or_path", file).value_or("");
  check_config(config, "[load] " + file);
  return config;
}

void save_peft_config(const std::filesystem::path& folder, const PeftConfig& config) {
  io::Json json = {
      {"base_model_name_or_path", config.base_model_name_or_path},
      {"bias", "none"},
      {"fan_in_fan_out", config.fan_in_fan_out},
      {"inference_mode", true},
      {"init_lora_weights", true},
      {"lora_dropout", config.lora_dropout},
      {"modules_to_save", nullptr},
      {"peft_type", "LORA"},
      {"r", config.r},
      {"task_type", "CAUSAL_LM"},
  };
  // A whole number as one, as PEFT users write it.
  const bool whole = config.lora_alpha == std::floor(config.lora_alpha) && std::abs(config.lora_alpha) < 1e9;
  if (whole) {
    json["lora_alpha"] = static_cast<Index>(config.lora_alpha);
  } else {
    json["lora_alpha"] = config.lora_alpha;
  }
  if (config.init_lora_weights == LoraInit::kGaussian) json["init_lora_weights"] = "gaussian";
  if (config.target_modules.pattern.empty()) {
    json["target_modules"] = config.target_modules.names;
  } else {
    json["target_modules"] = config.target_modules.pattern;
  }
  io::write_json_file(folder / kAdapterConfigFile, json);
}

}  // namespace lorry::model
