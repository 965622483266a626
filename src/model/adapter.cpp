#include "model/adapter.hpp"

#include <algorithm>
#include <cmath>
#include <set>

namespace lorry::model {

namespace {

void initialize_a(LoraInit init, Rng rng, Matrix& a) {
  const float bound = 1.0F / std::sqrt(static_cast<float>(a.cols()));
  const float deviation = 1.0F / static_cast<float>(a.rows());
  float* values = a.row<float>(0);
  for (Index i = 0; i < a.size(); ++i) {
    values[i] = init == LoraInit::kGaussian ? deviation * rng.next_normal()
                                            : bound * (2.0F * rng.next_uniform() - 1.0F);
  }
}

/// "all-linear" spelled out, as PEFT saves it: other programs read lists only.
TargetModules last_parts(const std::vector<std::string>& modules) {
  std::set<std::string> parts;
  for (const std::string& module : modules) parts.insert(module.substr(module.rfind('.') + 1));
  return {.names = {parts.begin(), parts.end()}, .pattern = {}};
}

}  // namespace

std::vector<std::string> linear_names(Decoder& decoder) {
  std::vector<std::string> names;
  for (const nn::Linear* linear : decoder.linears()) names.push_back(linear->name());
  return names;
}

Adapter::Adapter(PeftConfig config, const std::vector<const nn::Linear*>& linears)
    : config_(std::move(config)) {
  for (const nn::Linear* linear : linears) {
    auto entry = std::make_unique<Entry>();
    entry->module = linear->name();
    entry->update.rank = config_.r;
    entry->update.scale = config_.scale();
    entry->update.dropout = config_.lora_dropout;
    entry->update.a = Matrix(config_.r, linear->inputs());
    entry->update.b_transposed = Matrix(config_.r, linear->outputs());
    entries_.push_back(std::move(entry));
  }
}

Adapter Adapter::create(const PeftConfig& config, Decoder& decoder, std::uint64_t seed) {
  check_config(config, "[lora]");
  const std::vector<std::string> chosen = match_modules(config.target_modules, linear_names(decoder),
                                                        decoder.config().names.head, "[lora] target_modules");
  const std::set<std::string> wanted(chosen.begin(), chosen.end());
  std::vector<const nn::Linear*> linears;
  for (const nn::Linear* linear : decoder.linears()) {
    if (wanted.contains(linear->name())) linears.push_back(linear);
  }
  Adapter adapter(config, linears);
  adapter.config_.fan_in_fan_out = decoder.config().conv1d;
  if (config.target_modules.pattern == kAllLinear) adapter.config_.target_modules = last_parts(chosen);
  std::uint64_t stream = 0;
  for (auto& entry : adapter.entries_)
    initialize_a(config.init_lora_weights, Rng(seed, ++stream), entry->update.a);
  return adapter;
}

void Adapter::attach(Decoder& decoder) {
  for (auto& entry : entries_) {
    nn::Linear* linear = decoder.find_linear(entry->module);
    LORRY_CHECK(linear != nullptr);
    linear->set_update(&entry->update);
  }
}

void Adapter::detach(Decoder& decoder) {
  for (nn::Linear* linear : decoder.linears()) linear->set_update(nullptr);
}

std::vector<optim::Parameter> Adapter::parameters() {
  std::vector<optim::Parameter> all;
  for (auto& entry : entries_) {
    nn::LowRankUpdate& update = entry->update;
    ensure_shape(update.a_gradient, update.a.rows(), update.a.cols(), DType::kF32);
    ensure_shape(update.b_gradient, update.b_transposed.rows(), update.b_transposed.cols(), DType::kF32);
    const std::string prefix = "base_model.model." + entry->module;
    all.push_back({.name = prefix + ".lora_A.weight", .value = update.a, .gradient = update.a_gradient});
    all.push_back(
        {.name = prefix + ".lora_B.weight", .value = update.b_transposed, .gradient = update.b_gradient});
  }
  return all;
}

void Adapter::zero_gradients() {
  for (auto& entry : entries_) {
    entry->update.a_gradient.fill_zero();
    entry->update.b_gradient.fill_zero();
  }
}

Index Adapter::count_parameters() const {
  Index count = 0;
  for (const auto& entry : entries_) count += entry->update.a.size() + entry->update.b_transposed.size();
  return count;
}

std::vector<std::string> Adapter::oversized() const {
  std::vector<std::string> names;
  for (const auto& entry : entries_) {
    const Index side = std::min(entry->update.a.cols(), entry->update.b_transposed.cols());
    if (config_.r > side) names.push_back(entry->module);
  }
  return names;
}

}  // namespace lorry::model
