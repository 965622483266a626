#include "train/settings.hpp"

#include <fmt/ranges.h>

#include "report/escape.hpp"
#include "train/digest.hpp"
#include "train/optimizer_options.hpp"

namespace lorry::train {

namespace {

/// A path need not be UTF-8; JSON must be.
std::string text_of(const std::filesystem::path& path) {
  return report::printable(path.string());
}

template <class T>
void add_pattern(const char* name, const model::ModulePattern<T>& pattern, io::OrderedJson& json) {
  for (const auto& [key, value] : pattern) json[name][key] = value;
}

/// What is not as it is where nobody touches it.
void add_lora_settings(const model::PeftConfig& lora, io::OrderedJson& json) {
  const model::ModuleFilter& filter = lora.filter;
  if (lora.use_rslora) json["use_rslora"] = true;
  if (lora.use_dora) json["use_dora"] = true;
  if (lora.init_lora_weights != model::LoraInit::kKaimingUniform)
    json["init_lora_weights"] = model::format_lora_init(lora);
  if (filter.exclude_modules != model::TargetModules())
    json["exclude_modules"] = model::format_target_modules(filter.exclude_modules);
  if (!filter.layers_to_transform.empty()) json["layers_to_transform"] = filter.layers_to_transform;
  if (!filter.layers_pattern.empty()) json["layers_pattern"] = filter.layers_pattern;
  add_pattern("rank_pattern", lora.rank_pattern, json);
  add_pattern("alpha_pattern", lora.alpha_pattern, json);
}

std::string dump(const io::OrderedJson& value) {
  return value.dump(-1, ' ', false, io::OrderedJson::error_handler_t::replace);
}

/// What trains beside A and B; left out where it is off, as by runs from before it was there.
void add_beside(const model::PeftConfig& lora, io::OrderedJson& json) {
  if (!lora.modules_to_save.empty())
    json["modules_to_save"] = fmt::format("{}", fmt::join(lora.modules_to_save, ","));
  if (!lora.trainable_token_indices.empty())
    json["trainable_token_indices"] = model::to_json(lora.trainable_token_indices);
  if (lora.bias != model::BiasTraining::kNone) json["bias"] = model::word_of(lora.bias);
  if (lora.lora_bias) json["lora_bias"] = true;
}

}  // namespace

io::OrderedJson settings_of(const TrainOptions& options) {
  const bool lora = options.method == Method::kLora;
  io::OrderedJson json = {{"method", lora ? "lora" : "full"}};
  if (lora) {
    json["target_modules"] = model::format_target_modules(options.lora.target_modules);
    json["rank"] = options.lora.r;
    json["alpha"] = options.lora.lora_alpha;
    json["dropout"] = options.lora.lora_dropout;
    add_lora_settings(options.lora, json);
    add_beside(options.lora, json);
    if (!options.add_tokens.empty()) json["add_tokens"] = options.add_tokens;
  }
  json["lr"] = options.learning_rate();
  json["lr_scheduler"] = optim::name_of(options.lr_scheduler);
  json["warmup_steps"] = options.warmup_steps;
  json["weight_decay"] = options.optimizer.weight_decay;
  add_optimizer_settings(options, json);
  json["max_grad_norm"] = options.max_grad_norm;
  json["batch_size"] = options.batch_size;
  json["grad_accumulation_steps"] = options.grad_accumulation_steps;
  if (options.share_prompts) json["share_prompts"] = true;
  if (options.max_seq_length) json["max_seq_length"] = *options.max_seq_length;
  if (options.steps) {
    json["steps"] = *options.steps;
  } else {
    json["epochs"] = options.epochs;
  }
  json["eval_steps"] = options.eval_steps;
  if (options.dtype) json["dtype"] = *options.dtype == DType::kBF16 ? "bf16" : "f32";
  if (options.int8 != nn::Int8Products::kNone) json["compute"] = nn::word_of(options.int8);
  json["seed"] = options.seed;
  if (options.early_stopping_patience > 0) json["early_stopping_patience"] = options.early_stopping_patience;
  if (options.load_best_model_at_end) json["load_best_model_at_end"] = true;
  if (options.xray_steps > 0) json["xray_steps"] = options.xray_steps;
  return json;
}

io::OrderedJson inputs_of(const TrainOptions& options, const RunInputs& inputs) {
  io::OrderedJson json = {{"model", text_of(options.model)},
                          {"model_digest", model_digest(inputs.model)},
                          {"data", text_of(options.data.text())},
                          {"data_digest", data_digest(inputs.data)}};
  if (!options.adapter.empty()) {
    json["adapter"] = text_of(options.adapter);
    json["adapter_digest"] = adapter_digest(options.adapter);
  }
  if (!options.eval_data.empty()) json["eval_data"] = text_of(options.eval_data.text());
  if (inputs.eval_data) json["eval_data_digest"] = data_digest(*inputs.eval_data);
  return json;
}

std::string difference(const io::Json& then, const io::Json& now) {
  constexpr std::string_view kDigest = "_digest";
  const auto is_path = [&](const std::string& key) { return then.contains(key + std::string(kDigest)); };
  const auto shown = [](const io::Json& from, const std::string& key) {
    return from.contains(key) ? dump(from[key]) : "none";
  };
  for (const auto* side : {&now, &then}) {
    for (const auto& [key, value] : side->items()) {
      if (is_path(key) || (then.contains(key) && now.contains(key) && then[key] == now[key])) continue;
      if (key.ends_with(kDigest)) {
        return fmt::format("the content of {} has changed", key.substr(0, key.size() - kDigest.size()));
      }
      return fmt::format("{}: {}, now {}", key, shown(then, key), shown(now, key));
    }
  }
  return {};
}

}  // namespace lorry::train
