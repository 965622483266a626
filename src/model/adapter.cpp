#include "model/adapter.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "model/module_ranks.hpp"
#include "model/peft_names.hpp"

namespace lorry::model {

namespace {

constexpr std::uint64_t kInitStream = 0x6C6F7261ULL << 32;  // "lora": apart from dropout and data order

void initialize_a(LoraInit init, Rng rng, Matrix& a) {
  const float bound = 1.0F / std::sqrt(static_cast<float>(a.cols()));
  const float deviation = 1.0F / static_cast<float>(a.rows());
  float* values = a.row<float>(0);
  for (Index i = 0; i < a.size(); ++i) {
    values[i] = init == LoraInit::kGaussian ? deviation * rng.next_normal()
                                            : bound * (2.0F * rng.next_uniform() - 1.0F);
  }
}

/// The modules that `config` selects, in model order. Throws Error for whatever of it does not fit.
std::vector<std::string> chosen_modules(const PeftConfig& config, const ModuleRanks& ranks,
                                        Decoder& decoder) {
  check_config(config, "[lora]");
  std::vector<std::string> chosen = match_modules(config.target_modules, linear_names(decoder),
                                                  decoder.config().names.head, "[lora] target_modules");
  ranks.check_keys(chosen, "[lora]");
  return chosen;
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

void Adapter::add(const std::string& module, Matrix a, Matrix b_transposed, float scale) {
  LORRY_CHECK_EQ(a.rows(), b_transposed.rows());
  auto entry = std::make_unique<Entry>();
  entry->module = module;
  entry->update.rank = a.rows();
  entry->update.scale = scale;
  entry->update.dropout = static_cast<float>(config_.lora_dropout);
  entry->update.a = std::move(a);
  entry->update.b_transposed = std::move(b_transposed);
  entries_.push_back(std::move(entry));
}

void Adapter::check(const PeftConfig& config, Decoder& decoder) {
  static_cast<void>(chosen_modules(config, ModuleRanks(config, "[lora]"), decoder));
}

Adapter Adapter::create(const PeftConfig& config, Decoder& decoder, std::uint64_t seed) {
  const ModuleRanks ranks(config, "[lora]");
  const std::vector<std::string> chosen = chosen_modules(config, ranks, decoder);
  const std::set<std::string> wanted(chosen.begin(), chosen.end());
  Adapter adapter(config);
  adapter.config_.fan_in_fan_out = decoder.config().conv1d;
  if (config.target_modules.pattern == kAllLinear) adapter.config_.target_modules = last_parts(chosen);
  std::uint64_t stream = kInitStream;
  for (const nn::Linear* linear : decoder.linears()) {
    if (!wanted.contains(linear->name())) continue;
    const Index rank = ranks.rank(linear->name());
    Matrix a(rank, linear->inputs());
    initialize_a(config.init_lora_weights, Rng(seed, ++stream), a);
    adapter.add(linear->name(), std::move(a), Matrix(rank, linear->outputs()), ranks.scale(linear->name()));
  }
  return adapter;
}

void Adapter::attach(Decoder& decoder) {
  detach(decoder);  // another adapter's updates on other modules would stay otherwise
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
    if (update.a_gradient.empty()) {
      update.a_gradient = Matrix(update.a.rows(), update.a.cols());
      update.b_gradient = Matrix(update.b_transposed.rows(), update.b_transposed.cols());
    }
    all.push_back(
        {.name = peft_name(entry->module, kLoraA), .value = update.a, .gradient = update.a_gradient});
    all.push_back({.name = peft_name(entry->module, kLoraB),
                   .value = update.b_transposed,
                   .gradient = update.b_gradient});
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
    if (entry->update.rank > side) names.push_back(entry->module);
  }
  return names;
}

}  // namespace lorry::model
