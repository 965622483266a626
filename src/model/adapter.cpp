#include "model/adapter.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "model/module_ranks.hpp"
#include "model/name_pattern.hpp"
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

/// "all-linear" spelled out, as PEFT saves it: other programs read lists only.
TargetModules last_parts(const std::vector<std::string>& modules) {
  std::set<std::string> parts;
  for (const std::string& module : modules) parts.insert(last_part(module));
  return {.names = {parts.begin(), parts.end()}, .pattern = {}};
}

/// The maps of `adapter`'s updates as PEFT, which knows no parts, is told them: "c_attn" where every map of
/// that name is adapted, else full names.
TargetModules maps_of(const Adapter& adapter, const std::vector<std::string>& all_maps) {
  std::set<std::string> adapted;
  for (const auto& entry : adapter.entries()) adapted.insert(entry->map());
  std::set<std::string> mixed;  // last parts of maps that are not adapted
  for (const std::string& map : all_maps) {
    if (!adapted.contains(map)) mixed.insert(last_part(map));
  }
  std::set<std::string> names;
  for (const std::string& map : adapted) names.insert(mixed.contains(last_part(map)) ? map : last_part(map));
  return {.names = {names.begin(), names.end()}, .pattern = {}};
}

/// Keys of a pattern with parts as fused_parts spells them.
template <class T>
void spell_parts(const std::vector<FusedPart>& parts, ModulePattern<T>& pattern) {
  for (auto& [key, value] : pattern) key = part_name(parts, key);
}

Matrix starting_a(LoraInit init, Rng rng, Index rank, Index inputs) {
  Matrix a(rank, inputs);
  initialize_a(init, rng, a);
  return a;
}

/// What `config` selects on one model.
struct Choice {
  std::vector<FusedPart> parts;      // that the model has, selected or not
  std::vector<std::string> modules;  // selected maps and parts, in model order
  PeftConfig config;                 // parts in its patterns by the names that modules have
};

/// Throws Error for whatever of `config` does not fit.
Choice choose(const PeftConfig& config, Decoder& decoder) {
  check_config(config, "[lora]");
  Choice choice{.parts = fused_parts(decoder.config()), .modules = {}, .config = config};
  choice.modules = match_maps_and_parts(config.target_modules, linear_names(decoder), choice.parts,
                                        decoder.config().names.head, "[lora] target_modules");
  spell_parts(choice.parts, choice.config.rank_pattern);
  spell_parts(choice.parts, choice.config.alpha_pattern);
  ModuleRanks(choice.config, "[lora]").check_keys(choice.modules, "[lora]");
  return choice;
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
  static_cast<void>(choose(config, decoder));
}

void Adapter::add(const FusedPart& part, Matrix a, Matrix b_transposed, float scale) {
  LORRY_CHECK_EQ(b_transposed.cols(), part.outputs);
  add(part.module(), std::move(a), std::move(b_transposed), scale);
  entries_.back()->part = part;
}

Adapter Adapter::create(const PeftConfig& config, Decoder& decoder, std::uint64_t seed) {
  const auto [parts, chosen, spelt] = choose(config, decoder);
  const std::set<std::string> wanted(chosen.begin(), chosen.end());
  Adapter adapter(spelt);
  const ModuleRanks ranks(adapter.config_, "[lora]");
  adapter.config_.fan_in_fan_out = decoder.config().conv1d;
  if (config.target_modules.pattern == kAllLinear) adapter.config_.target_modules = last_parts(chosen);
  std::uint64_t stream = kInitStream;
  for (const nn::Linear* linear : decoder.linears()) {
    const auto start = [&](const std::string& module) {
      return starting_a(config.init_lora_weights, Rng(seed, ++stream), ranks.rank(module), linear->inputs());
    };
    if (wanted.contains(linear->name())) {
      Matrix a = start(linear->name());
      Matrix b(a.rows(), linear->outputs());
      adapter.add(linear->name(), std::move(a), std::move(b), ranks.scale(linear->name()));
    }
    for (const FusedPart& part : parts) {
      if (part.map != linear->name() || !wanted.contains(part.module())) continue;
      Matrix a = start(part.module());
      Matrix b(a.rows(), part.outputs);
      adapter.add(part, std::move(a), std::move(b), ranks.scale(part.module()));
    }
  }
  if (adapter.has_parts()) adapter.config_.target_modules = maps_of(adapter, linear_names(decoder));
  return adapter;
}

void Adapter::attach(Decoder& decoder) {
  detach(decoder);  // another adapter's updates on other modules would stay otherwise
  for (auto& entry : entries_) {
    nn::Linear* linear = decoder.find_linear(entry->map());
    LORRY_CHECK(linear != nullptr);
    if (!entry->part) LORRY_CHECK_EQ(entry->update.b_transposed.cols(), linear->outputs());
    linear->add_update(&entry->update, entry->first_output());
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

bool Adapter::has_parts() const noexcept {
  return std::any_of(entries_.begin(), entries_.end(),
                     [](const auto& entry) { return entry->part.has_value(); });
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
