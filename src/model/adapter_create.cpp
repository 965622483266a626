// Adapter's part that makes fresh ones of a config: what it selects, how that starts, how much it is.
#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <set>

#include "core/error.hpp"
#include "model/adapter.hpp"
#include "model/embedding_targets.hpp"
#include "model/module_ranks.hpp"
#include "model/name_pattern.hpp"

namespace lorry::model {

namespace {

constexpr std::uint64_t kInitStream = 0x6C6F7261ULL << 32;  // "lora": apart from dropout and data order

void fill_uniform(float bound, Rng& rng, Matrix& to) {
  float* values = to.row<float>(0);
  for (Index i = 0; i < to.size(); ++i) values[i] = bound * (2.0F * rng.next_uniform() - 1.0F);
}

void initialize_a(LoraInit init, Rng& rng, Matrix& a) {
  if (init != LoraInit::kGaussian) {
    fill_uniform(1.0F / std::sqrt(static_cast<float>(a.cols())), rng, a);
    return;
  }
  const float deviation = 1.0F / static_cast<float>(a.rows());
  float* values = a.row<float>(0);
  for (Index i = 0; i < a.size(); ++i) values[i] = deviation * rng.next_normal();
}

void initialize_embedding_b(Rng rng, Matrix& b) {
  float* values = b.row<float>(0);
  for (Index i = 0; i < b.size(); ++i) values[i] = rng.next_normal();
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
  const std::set<std::string> adapted = adapter.adapted_maps();
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

/// A and B as they start.
struct Start {
  Matrix a;             // [R,I]
  Matrix b_transposed;  // [R,O]
};

Start start_of(LoraInit init, Rng rng, Index rank, Index inputs, Index outputs) {
  Start start{.a = Matrix(rank, inputs), .b_transposed = Matrix(rank, outputs)};
  initialize_a(init, rng, start.a);
  if (init == LoraInit::kRandom) {
    fill_uniform(1.0F / std::sqrt(static_cast<float>(rank)), rng, start.b_transposed);
  }
  return start;
}

/// What the model's table has at those tokens.
Matrix own_rows(const TokenTarget& target, Decoder& decoder) {
  const bool head = target.module == decoder.config().names.head;
  Matrix rows(std::ssize(target.ids), decoder.config().hidden_size);
  decoder.ops().embedding(
      head ? decoder.find_linear(target.module)->weights().readable() : decoder.embedding_table(), target.ids,
      rows);
  return rows;
}

/// What `config` selects on one model.
struct Choice {
  std::vector<FusedPart> parts;         // that the model has, selected or not
  std::vector<std::string> embeddings;  // selected ones
  std::vector<std::string> modules;     // selected maps and parts, in model order
  PeftConfig config;                    // parts in its patterns by the names that modules have
};

/// The linear maps of the chosen modules.
std::set<std::string> maps_of(const Choice& choice) {
  std::set<std::string> maps(choice.modules.begin(), choice.modules.end());
  maps.insert(choice.embeddings.begin(), choice.embeddings.end());
  for (const FusedPart& part : choice.parts) {
    if (maps.erase(part.module()) > 0) maps.insert(part.map);
  }
  return maps;
}

/// A single -N means the last N layers.
void spell_last_layers(const ModelConfig& model, std::vector<Index>& layers) {
  if (layers.size() != 1 || layers.front() >= 0) return;
  const Index count = -layers.front();
  if (count > model.num_hidden_layers) {
    throw Error("[lora] layers_to_transform: found the last {} layers; this model has {}", count,
                model.num_hidden_layers);
  }
  layers.resize(static_cast<std::size_t>(count));
  std::iota(layers.begin(), layers.end(), model.num_hidden_layers - count);
}

/// Throws Error for whatever of `config` does not fit.
Choice choose(const PeftConfig& config, Decoder& decoder) {
  check_fresh_config(config, "[lora]");
  const std::vector<std::string> maps = linear_names(decoder);
  SplitTargets split = split_targets(config.target_modules, decoder.config(), maps, "[lora] target_modules");
  Choice choice{.parts = fused_parts(decoder.config()),
                .embeddings = std::move(split.embeddings),
                .modules = {},
                .config = config};
  check_embeddings(config, choice.embeddings, "[lora]");
  spell_last_layers(decoder.config(), choice.config.filter.layers_to_transform);
  if (split.any_linears) {
    choice.modules = match_maps_and_parts(split.linears, choice.config.filter, maps, choice.parts,
                                          decoder.config().names.head, "[lora]");
  }
  remove_saved_modules(config, "[lora]", choice.modules);
  remove_saved_modules(config, "[lora]", choice.embeddings);
  if (!choice.embeddings.empty() && config.lora_bias) {
    throw Error("[lora] lora_bias: found with {}, an embedding; expected linear layers alone, as in PEFT",
                choice.embeddings.front());
  }
  if (choice.modules.empty() && choice.embeddings.empty()) {
    throw Error("[lora] modules_to_save: found every layer of target_modules; expected some left to adapt");
  }
  train_added_tokens(decoder.config(), choice.config);
  spell_parts(choice.parts, choice.config.rank_pattern);
  spell_parts(choice.parts, choice.config.alpha_pattern);
  std::vector<std::string> adapted = choice.modules;
  adapted.insert(adapted.end(), choice.embeddings.begin(), choice.embeddings.end());
  ModuleRanks(choice.config, "[lora]").check_keys(adapted, "[lora]");
  for (const FusedPart& part : choice.parts) {
    const auto& modules = choice.modules;
    if (!config.use_dora || std::find(modules.begin(), modules.end(), part.module()) == modules.end())
      continue;
    throw Error(
        "[lora] use_dora: found with {}, a part of a map; expected the whole map, which DoRA stretches",
        part.module());
  }
  return choice;
}

struct Sides {
  Index inputs = 0;
  Index outputs = 0;
};

/// Of a map or a part.
Sides sides_of(const std::string& module, const std::vector<FusedPart>& parts, Decoder& decoder) {
  if (const nn::Linear* linear = decoder.find_linear(module)) {
    return {.inputs = linear->inputs(), .outputs = linear->outputs()};
  }
  const auto part =
      std::find_if(parts.begin(), parts.end(), [&](const FusedPart& one) { return one.module() == module; });
  LORRY_CHECK(part != parts.end());
  return {.inputs = decoder.find_linear(part->map)->inputs(), .outputs = part->outputs};
}

/// What updates that begin as a part of W need. Throws Error.
void check_starts(const Choice& choice, Decoder& decoder) {
  if (!starts_from_weights(choice.config.init_lora_weights)) return;
  const ModuleRanks ranks(choice.config, "[lora]");
  for (const std::string& module : choice.modules) {
    const auto [inputs, outputs] = sides_of(module, choice.parts, decoder);
    const Index side = std::min(inputs, outputs);
    if (ranks.rank(module) > side) {
      throw Error(
          "[lora] {}: rank {} is above the smaller side, {}; expected at most that many directions of W",
          module, ranks.rank(module), side);
    }
    if (!(ranks.scale(module) > 0)) {
      throw Error("[lora] {}: found a scale of {}; expected one above 0, which the start is divided by",
                  module, ranks.scale(module));
    }
  }
}

}  // namespace

std::vector<std::string> linear_names(Decoder& decoder) {
  std::vector<std::string> names;
  for (const nn::Linear* linear : decoder.linears()) names.push_back(linear->name());
  return names;
}

Index Adapter::count_parameters(const PeftConfig& config, Decoder& decoder) {
  const Choice choice = choose(config, decoder);
  const ModuleRanks ranks(choice.config, "[lora]");
  Index count = 0;
  for (const std::string& module : choice.modules) {
    const auto [inputs, outputs] = sides_of(module, choice.parts, decoder);
    const Index vectors = (config.use_dora ? 1 : 0) + (config.lora_bias ? 1 : 0);
    count += ranks.rank(module) * (inputs + outputs) + vectors * outputs;
  }
  for (const std::string& module : choice.embeddings) {
    const bool tokens = module == decoder.config().names.root + decoder.config().names.embedding;
    const Index rows = (tokens ? decoder.embedding_table() : decoder.position_table()).rows;
    count += ranks.rank(module) * (rows + decoder.config().hidden_size);
  }
  const std::set<std::string> adapted = maps_of(choice);
  const std::vector<CopySpec> copies = list_copies(config, decoder.config(), adapted, "[lora]");
  for (const CopySpec& spec : copies) {
    const std::vector<Index>& shape = spec.tensor.shape;
    count += std::accumulate(shape.begin(), shape.end(), Index{1}, std::multiplies<>());
  }
  for (const TokenTarget& target :
       token_targets(choice.config, decoder.config(), adapted, copies, "[lora]")) {
    count += std::ssize(target.ids) * decoder.config().hidden_size;
  }
  return count;
}

void Adapter::check(const PeftConfig& config, Decoder& decoder) {
  const Choice choice = choose(config, decoder);
  check_starts(choice, decoder);
  const std::set<std::string> adapted = maps_of(choice);
  const std::vector<CopySpec> copies = list_copies(config, decoder.config(), adapted, "[lora]");
  static_cast<void>(token_targets(choice.config, decoder.config(), adapted, copies, "[lora]"));
}

Adapter Adapter::create(const PeftConfig& config, Decoder& decoder, std::uint64_t seed) {
  const Choice choice = choose(config, decoder);
  check_starts(choice, decoder);
  const auto& [parts, embeddings, chosen, spelt] = choice;
  const std::set<std::string> wanted(chosen.begin(), chosen.end());
  Adapter adapter(spelt);
  const ModuleRanks ranks(adapter.config_, "[lora]");
  // Of Hugging Face's GPT-2, whichever way round a GGUF file holds its matrices.
  adapter.config_.fan_in_fan_out = decoder.config().conv1d || decoder.config().model_type == "gpt2";
  if (config.target_modules.pattern == kAllLinear) adapter.config_.target_modules = last_parts(chosen);
  const auto starting_bias = [&](Index outputs) { return config.lora_bias ? Matrix(1, outputs) : Matrix(); };
  std::uint64_t stream = kInitStream;
  for (const nn::Linear* linear : decoder.linears()) {
    const auto start = [&](const std::string& module, Index outputs) {
      return start_of(config.init_lora_weights, Rng(seed, ++stream), ranks.rank(module), linear->inputs(),
                      outputs);
    };
    if (wanted.contains(linear->name())) {
      auto [a, b] = start(linear->name(), linear->outputs());
      adapter.add(linear->name(), std::move(a), std::move(b), ranks.scale(linear->name()),
                  starting_bias(linear->outputs()));
    }
    for (const FusedPart& part : parts) {
      if (part.map != linear->name() || !wanted.contains(part.module())) continue;
      auto [a, b] = start(part.module(), part.outputs);
      adapter.add(part, std::move(a), std::move(b), ranks.scale(part.module()), starting_bias(part.outputs));
    }
  }
  if (config.use_dora) adapter.begin_magnitudes(decoder);
  for (const std::string& module : embeddings) {
    const bool tokens = module == decoder.config().names.root + decoder.config().names.embedding;
    const Index rows = (tokens ? decoder.embedding_table() : decoder.position_table()).rows;
    Matrix b(ranks.rank(module), decoder.config().hidden_size);
    initialize_embedding_b(Rng(seed, ++stream), b);
    Matrix a(rows, b.rows());
    if (config.init_lora_weights == LoraInit::kRandom) initialize_embedding_b(Rng(seed, ++stream), a);
    adapter.add_embedding(module, std::move(a), std::move(b), ranks.scale(module));
  }
  const std::set<std::string> adapted = adapter.adapted_maps();
  std::vector<CopySpec> copies = list_copies(config, decoder.config(), adapted, "[lora]");
  for (const TokenTarget& target :
       token_targets(adapter.config_, decoder.config(), adapted, copies, "[lora]")) {
    adapter.add_tokens(target, own_rows(target, decoder));
  }
  for (CopySpec& spec : copies) adapter.copies_.add_own(std::move(spec), decoder);
  if (adapter.has_parts()) {
    adapter.config_.target_modules = maps_of(adapter, linear_names(decoder));
    adapter.config_.filter = {};  // those names say it all
  }
  return adapter;
}

/// Every magnitude is the norm that its row has: DoRA changes nothing yet.
void Adapter::begin_magnitudes(Decoder& decoder) {
  for (auto& entry : entries_) entry->update.magnitude = Matrix(1, entry->update.b_transposed.cols());
  attach(decoder);
  for (auto& entry : entries_) decoder.ops().copy(entry->update.norm, entry->update.magnitude);
  detach(decoder);
}

}  // namespace lorry::model
