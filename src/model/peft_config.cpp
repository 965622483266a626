#include "model/peft_config.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>
#include <utility>

#include "core/error.hpp"
#include "core/option_error.hpp"
#include "io/json_fields.hpp"
#include "io/message_text.hpp"

namespace lorry::model {

namespace {

constexpr Index kMaxRank = 1 << 20;
constexpr Index kMostIterations = 1000;

/// Fields that load_peft_config reads, and fields that cannot change what the adapter computes.
const std::set<std::string_view> kUnderstood = {
    "r",
    "lora_alpha",
    "rank_pattern",
    "alpha_pattern",
    "use_rslora",
    "use_dora",
    "lora_dropout",
    "target_modules",
    "exclude_modules",
    "layers_to_transform",
    "layers_pattern",
    "init_lora_weights",
    "fan_in_fan_out",
    "base_model_name_or_path",
    "peft_type",
    "bias",
    "lora_bias",
    "modules_to_save",
    "trainable_token_indices",
    "task_type",
    "inference_mode",
    "auto_mapping",
    "peft_version",
    "revision",
    // Settings of features that are off unless another field turns them on:
    "megatron_core",
    "qalora_group_size",
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

/// A list of texts, one text, or nothing.
std::vector<std::string> parse_texts(const io::Json& json, const char* field, const std::string& file) {
  const io::Json* found = io::find_field(json, field, file);
  if (found == nullptr) return {};
  if (!found->is_string()) return io::get_strings(json, field, file);
  auto text = found->get<std::string>();
  if (text.empty()) return {};
  return {std::move(text)};
}

ModuleFilter parse_filter(const io::Json& json, const std::string& file) {
  ModuleFilter filter;
  filter.layers_pattern = parse_texts(json, "layers_pattern", file);
  std::vector<std::string> excluded = parse_texts(json, "exclude_modules", file);
  if (const io::Json* found = io::find_field(json, "exclude_modules", file);
      found != nullptr && found->is_string()) {
    filter.exclude_modules.pattern = excluded.empty() ? "" : excluded.front();
  } else {
    filter.exclude_modules.names = std::move(excluded);
  }
  const io::Json* layers = io::find_field(json, "layers_to_transform", file);
  if (layers == nullptr) return filter;
  const io::Json list = layers->is_array() ? *layers : io::Json::array({*layers});
  for (const io::Json& layer : list) {
    if (!layer.is_number_integer() || layer < 0) {
      io::throw_field_error(file, "layers_to_transform", layers,
                            "an integer of at least 0, or a list of them");
    }
    filter.layers_to_transform.push_back(layer.get<Index>());
  }
  return filter;
}

/// It matters only at the start of training, unless it changed the base weights too.
LoraInit parse_init(const io::Json& json, const std::string& file) {
  const io::Json* found = io::find_field(json, "init_lora_weights", file);
  if (found == nullptr || *found == true) return LoraInit::kKaimingUniform;
  if (*found == false) return LoraInit::kRandom;
  if (*found == "gaussian") return LoraInit::kGaussian;
  io::throw_field_error(
      file, "init_lora_weights", found,
      "true, false or \"gaussian\" (the others change the base weights or need data; PEFT's "
      "save_pretrained has path_initial_model_for_weight_conversion for them)");
}

BiasTraining parse_bias(const io::Json& json, const std::string& file) {
  const std::string bias = io::find_string(json, "bias", file).value_or("none");
  for (const auto& [word, value] : kBiasWords) {
    if (word == bias) return value;
  }
  throw Error("[load] {}: field \"bias\": found {}; supported: none, all, lora_only", file,
              io::in_quotes(bias));
}

/// Names that may be absent or null.
std::vector<std::string> find_names(const io::Json& json, const char* field, const std::string& file) {
  const io::Json* found = io::find_field(json, field, file);
  return found == nullptr ? std::vector<std::string>() : io::get_strings(json, field, file);
}

bool is_rank(Index rank) {
  return rank >= 1 && rank <= kMaxRank;
}
bool is_alpha(double alpha) {
  return std::abs(alpha) >= kLeastAlpha && std::abs(alpha) <= kMostAlpha;
}
constexpr const char* kAlphaRange = "other than 0, from 1e-30 to 1e30 in size";

/// An object of `field` with the values that `read` (OrderedJson -> optional<T>) accepts; keys keep the order
/// of the file, since the first that matches counts.
template <class T, class Read>
ModulePattern<T> parse_pattern(const io::OrderedJson& json, const char* field, const std::string& file,
                               const std::string& expected, Read read) {
  ModulePattern<T> pattern;
  const auto found = json.find(field);
  if (found == json.end() || found->is_null()) return pattern;
  if (!found->is_object()) {
    const io::Json value(*found);
    io::throw_field_error(file, field, &value, fmt::format("an object with {}", expected));
  }
  for (const auto& [key, value] : found->items()) {
    const std::optional<T> number = read(value);
    if (!number) {
      const io::Json plain(value);
      io::throw_field_error(file, fmt::format("{}.{}", field, key), &plain, expected);
    }
    pattern.emplace_back(key, *number);
  }
  return pattern;
}

void parse_patterns(const io::OrderedJson& json, const std::string& file, PeftConfig& config) {
  config.rank_pattern = parse_pattern<Index>(
      json, "rank_pattern", file, "integers from 1 to 1048576", [](const io::OrderedJson& value) {
        const bool good = value.is_number_integer() && is_rank(value.get<Index>());
        return good ? std::optional<Index>(value.get<Index>()) : std::nullopt;
      });
  config.alpha_pattern = parse_pattern<double>(
      json, "alpha_pattern", file, fmt::format("numbers {}", kAlphaRange), [](const io::OrderedJson& value) {
        const bool good = value.is_number() && is_alpha(value.get<double>());
        return good ? std::optional<double>(value.get<double>()) : std::nullopt;
      });
}

/// A whole number as one, as PEFT users write it.
io::OrderedJson alpha_json(double alpha) {
  const bool whole = alpha == std::floor(alpha) && std::abs(alpha) < 1e9;
  return whole ? io::OrderedJson(static_cast<Index>(alpha)) : io::OrderedJson(alpha);
}

void refuse_other_fields(const io::Json& json, const std::string& file) {
  for (const auto& [key, value] : json.items()) {
    if (kUnderstood.contains(key) || is_off(value)) continue;
    throw Error(
        "[load] {}: field {}: found {}; not supported by this version of lorry, expected null or false", file,
        io::in_quotes(key), value.dump().substr(0, 80));
  }
}

}  // namespace

bool parse_lora_init(std::string_view text, PeftConfig& config) {
  constexpr std::string_view kNiter = "pissa_niter_";
  constexpr std::array<std::pair<std::string_view, LoraInit>, 5> kNames = {
      {{"true", LoraInit::kKaimingUniform},
       {"false", LoraInit::kRandom},
       {"gaussian", LoraInit::kGaussian},
       {"pissa", LoraInit::kPissa},
       {"olora", LoraInit::kOlora}}};
  for (const auto& [name, init] : kNames) {
    if (text != name) continue;
    config.init_lora_weights = init;
    return true;
  }
  if (!text.starts_with(kNiter)) return false;
  Index iterations = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data() + kNiter.size(), end, iterations);
  if (failure != std::errc{} || stop != end || iterations < 0 || iterations > kMostIterations) return false;
  config.init_lora_weights = LoraInit::kPissaNiter;
  config.pissa_niter = iterations;
  return true;
}

std::string format_lora_init(const PeftConfig& config) {
  switch (config.init_lora_weights) {
    case LoraInit::kKaimingUniform:
      break;
    case LoraInit::kRandom:
      return "false";
    case LoraInit::kGaussian:
      return "gaussian";
    case LoraInit::kPissa:
      return "pissa";
    case LoraInit::kPissaNiter:
      return fmt::format("pissa_niter_{}", config.pissa_niter);
    case LoraInit::kOlora:
      return "olora";
  }
  return "true";
}

void check_config(const PeftConfig& config, std::string_view where) {
  const auto check_rank = [&](Index rank) {
    if (rank < 1) throw Error("{}: rank: found {}; expected at least 1", where, rank);
    if (rank > kMaxRank) throw Error("{}: rank: found {}; expected at most {}", where, rank, kMaxRank);
  };
  const auto check_alpha = [&](double alpha) {
    if (is_alpha(alpha)) return;
    throw Error("{}: lora_alpha: found {}; expected a number {}", where, alpha, kAlphaRange);
  };
  check_rank(config.r);
  check_alpha(config.lora_alpha);
  for (const auto& [key, rank] : config.rank_pattern) check_rank(rank);
  for (const auto& [key, alpha] : config.alpha_pattern) check_alpha(alpha);
  const TargetModules& targets = config.target_modules;
  if (!config.filter.layers_to_transform.empty() && !targets.pattern.empty() &&
      targets.pattern != kAllLinear) {
    throw Error("{}: layers_to_transform: found with the expression \"{}\" as target_modules; expected names",
                where, targets.pattern);
  }
  if (!config.filter.layers_pattern.empty() && config.filter.layers_to_transform.empty()) {
    throw Error("{}: layers_pattern: found without layers_to_transform; expected both", where);
  }
  if (config.use_dora && starts_from_weights(config.init_lora_weights)) {
    throw Error(
        "{}: use_dora: found with init_lora_weights {}; expected one of them: no adapter file holds both",
        where, format_lora_init(config));
  }
  if (config.lora_bias && (config.use_dora || starts_from_weights(config.init_lora_weights))) {
    throw Error("{}: lora_bias: found with {}; expected one of them, as in PEFT", where,
                config.use_dora ? "use_dora" : "init_lora_weights " + format_lora_init(config));
  }
  // Kernels take it as a float, in which the last numbers below 1 are 1.
  if (!(config.lora_dropout >= 0.0 && static_cast<float>(config.lora_dropout) < 1.0F)) {
    throw Error("{}: lora_dropout: found {}; expected at least 0 and below 1", where, config.lora_dropout);
  }
}

void check_fresh_config(const PeftConfig& config, std::string_view where) {
  constexpr Index kMostFreshRank = kMaxRank / 8;
  try {
    check_config(config, where);
  } catch (const Error& error) {  // here it is no file's mistake
    throw OptionError("{}", error.what());
  }
  const auto check_rank = [&](Index rank) {
    if (rank <= kMostFreshRank) return;
    throw OptionError("{}: rank: found {}; expected at most {}", where, rank, kMostFreshRank);
  };
  const auto check_alpha = [&](double alpha) {
    if (std::abs(alpha) >= kLeastFreshAlpha && std::abs(alpha) <= kMostFreshAlpha) return;
    throw OptionError("{}: lora_alpha: found {}; expected of a new adapter a number from {} to {} in size",
                      where, alpha, kLeastFreshAlpha, kMostFreshAlpha);
  };
  check_rank(config.r);
  check_alpha(config.lora_alpha);
  for (const auto& [key, rank] : config.rank_pattern) check_rank(rank);
  for (const auto& [key, alpha] : config.alpha_pattern) check_alpha(alpha);
}

std::string_view word_of(BiasTraining bias) {
  const auto* const found = std::find_if(kBiasWords.begin(), kBiasWords.end(),
                                         [&](const auto& entry) { return entry.second == bias; });
  return found->first;
}

void check_embeddings(const PeftConfig& config, const std::vector<std::string>& embeddings,
                      std::string_view where) {
  if (embeddings.empty()) return;
  const auto refuse = [&](std::string_view field) {
    throw Error("{} {}: found with {}, an embedding; expected linear layers alone", where, field,
                embeddings.front());
  };
  if (config.use_dora) refuse("use_dora");
  if (starts_from_weights(config.init_lora_weights)) refuse("init_lora_weights");
  if (config.filter.exclude_modules != TargetModules()) refuse("exclude_modules");
  if (!config.filter.layers_to_transform.empty()) refuse("layers_to_transform");
}

PeftConfig load_peft_config(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / kAdapterConfigFile;
  if (!std::filesystem::exists(path)) {
    throw Error("[load] {}: {} is missing; expected a PEFT adapter folder", folder.string(),
                kAdapterConfigFile);
  }
  const std::string file = path.string();
  const io::OrderedJson ordered = io::read_ordered_json_file(path);
  const io::Json json(ordered);
  if (!json.is_object())
    throw Error("[load] {}: found a JSON {}; expected an object", file, json.type_name());
  const std::string type = io::get_string(json, "peft_type", file);
  if (type != "LORA")
    throw Error("[load] {}: field \"peft_type\": found \"{}\"; supported: LORA", file, type);
  const std::string task = io::find_string(json, "task_type", file).value_or("CAUSAL_LM");
  if (task != "CAUSAL_LM")
    throw Error("[load] {}: field \"task_type\": found \"{}\"; supported: CAUSAL_LM", file, task);
  PeftConfig config;
  // Before the other fields: an initialisation brings a field of settings, which says less than its name.
  config.init_lora_weights = parse_init(json, file);
  refuse_other_fields(json, file);
  if (const auto r = io::find_index(json, "r", file, 1, kMaxRank)) config.r = *r;
  if (const auto alpha = io::find_number(json, "lora_alpha", file)) config.lora_alpha = *alpha;
  parse_patterns(ordered, file, config);
  if (const auto rate = io::find_number(json, "lora_dropout", file)) config.lora_dropout = *rate;
  config.use_dora = io::find_bool(json, "use_dora", file).value_or(false);
  config.use_rslora = io::find_bool(json, "use_rslora", file).value_or(false);
  config.target_modules = parse_targets(json, file);
  config.modules_to_save = find_names(json, "modules_to_save", file);
  config.trainable_token_indices = parse_token_indices(json, file);
  config.bias = parse_bias(json, file);
  config.lora_bias = io::find_bool(json, "lora_bias", file).value_or(false);
  config.filter = parse_filter(json, file);
  config.fan_in_fan_out = io::find_bool(json, "fan_in_fan_out", file).value_or(false);
  config.base_model_name_or_path = io::find_string(json, "base_model_name_or_path", file).value_or("");
  check_config(config, "[load] " + file);
  return config;
}

void save_peft_config(const std::filesystem::path& folder, const PeftConfig& config) {
  io::OrderedJson json = {
      {"base_model_name_or_path", config.base_model_name_or_path},
      {"bias", word_of(config.bias)},
      {"fan_in_fan_out", config.fan_in_fan_out},
      {"inference_mode", true},
      {"init_lora_weights", true},
      {"lora_alpha", alpha_json(config.lora_alpha)},
      {"lora_dropout", config.lora_dropout},
      {"modules_to_save", nullptr},
      {"peft_type", "LORA"},
      {"r", config.r},
      {"target_modules", config.target_modules.names},
      {"task_type", "CAUSAL_LM"},
  };
  if (!config.modules_to_save.empty()) json["modules_to_save"] = config.modules_to_save;
  if (!config.trainable_token_indices.empty())
    json["trainable_token_indices"] = to_json(config.trainable_token_indices);
  if (config.lora_bias) json["lora_bias"] = true;
  if (config.init_lora_weights == LoraInit::kRandom) {
    json["init_lora_weights"] = false;
  } else if (config.init_lora_weights != LoraInit::kKaimingUniform) {
    json["init_lora_weights"] = format_lora_init(config);
  }
  if (!config.target_modules.pattern.empty()) json["target_modules"] = config.target_modules.pattern;
  for (const auto& [key, rank] : config.rank_pattern) json["rank_pattern"][key] = rank;
  for (const auto& [key, alpha] : config.alpha_pattern) json["alpha_pattern"][key] = alpha_json(alpha);
  if (config.use_rslora) json["use_rslora"] = true;
  if (config.use_dora) json["use_dora"] = true;
  const ModuleFilter& filter = config.filter;
  if (!filter.exclude_modules.names.empty()) json["exclude_modules"] = filter.exclude_modules.names;
  if (!filter.exclude_modules.pattern.empty()) json["exclude_modules"] = filter.exclude_modules.pattern;
  if (!filter.layers_to_transform.empty()) json["layers_to_transform"] = filter.layers_to_transform;
  if (!filter.layers_pattern.empty()) json["layers_pattern"] = filter.layers_pattern;
  io::write_json_file(folder / kAdapterConfigFile, json);
}

}  // namespace lorry::model
