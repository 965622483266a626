#include "model/adapter.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <set>

#include "core/error.hpp"
#include "model/embedding_targets.hpp"
#include "model/module_ranks.hpp"
#include "model/name_pattern.hpp"
#include "model/peft_names.hpp"

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

/// `below` under `above`, of as many columns.
Matrix stacked(ConstMatrixView above, ConstMatrixView below) {
  Matrix result(above.rows + below.rows, above.cols);
  for (Index i = 0; i < result.rows(); ++i) {
    const float* row = i < above.rows ? above.row<float>(i) : below.row<float>(i - above.rows);
    std::copy_n(row, above.cols, result.row<float>(i));
  }
  return result;
}

void copy_rows(ConstMatrixView from, Index first, Matrix& to) {
  for (Index i = 0; i < to.rows(); ++i) std::copy_n(from.row<float>(first + i), to.cols(), to.row<float>(i));
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

std::set<std::string> Adapter::adapted_maps() const {
  std::set<std::string> maps;
  for (const auto& entry : entries_) maps.insert(entry->map());
  for (const auto& entry : embeddings_) maps.insert(entry->module);
  return maps;
}

void Adapter::Entry::begin_with(Matrix a, Matrix b_transposed) {
  LORRY_CHECK_EQ(a.rows(), update.rank);
  LORRY_CHECK_EQ(b_transposed.rows(), update.rank);
  copy_rows(a, 0, update.a);
  copy_rows(b_transposed, 0, update.b_transposed);
  float* values = b_transposed.row<float>(0);
  std::transform(values, values + b_transposed.size(), values, std::negate<>());
  nn::LowRankUpdate& lost = given_up.emplace();
  lost.rank = update.rank;
  lost.scale = update.scale;  // and no dropout: W itself drops no inputs
  lost.a = std::move(a);
  lost.b_transposed = std::move(b_transposed);
}

nn::LowRankUpdate Adapter::Entry::whole() const {
  const ConstMatrixView none_a = {nullptr, 0, update.a.cols(), update.a.cols(), DType::kF32};
  const Index outputs = update.b_transposed.cols();
  const ConstMatrixView none_b = {nullptr, 0, outputs, outputs, DType::kF32};
  nn::LowRankUpdate result;
  result.rank = given_up ? 2 * update.rank : update.rank;
  result.scale = update.scale;
  result.dropout = update.dropout;
  result.a = stacked(update.a, given_up ? given_up->a.view() : none_a);
  result.b_transposed = stacked(update.b_transposed, given_up ? given_up->b_transposed.view() : none_b);
  return result;
}

nn::LowRankUpdate Adapter::Entry::trained() const {
  nn::LowRankUpdate result;
  result.rank = update.rank;
  result.scale = update.scale;
  result.dropout = update.dropout;
  result.a = Matrix(update.a.rows(), update.a.cols());
  result.b_transposed = Matrix(update.b_transposed.rows(), update.b_transposed.cols());
  copy_rows(update.a, 0, result.a);
  copy_rows(update.b_transposed, 0, result.b_transposed);
  return result;
}

void Adapter::Entry::set_whole(const nn::LowRankUpdate& from) {
  LORRY_CHECK_EQ(from.rank, given_up ? 2 * update.rank : update.rank);
  copy_rows(from.a, 0, update.a);
  copy_rows(from.b_transposed, 0, update.b_transposed);
  if (!given_up) return;
  copy_rows(from.a, update.rank, given_up->a);
  copy_rows(from.b_transposed, update.rank, given_up->b_transposed);
}

void Adapter::add(const std::string& module, Matrix a, Matrix b_transposed, float scale, Matrix bias) {
  LORRY_CHECK_EQ(a.rows(), b_transposed.rows());
  auto entry = std::make_unique<Entry>();
  entry->module = module;
  entry->update.rank = a.rows();
  entry->update.scale = scale;
  entry->update.dropout = static_cast<float>(config_.lora_dropout);
  entry->update.a = std::move(a);
  entry->update.b_transposed = std::move(b_transposed);
  entry->update.bias = std::move(bias);
  entries_.push_back(std::move(entry));
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
  for (const CopySpec& spec : list_copies(config, decoder.config(), maps_of(choice), "[lora]")) {
    const std::vector<Index>& shape = spec.tensor.shape;
    count += std::accumulate(shape.begin(), shape.end(), Index{1}, std::multiplies<>());
  }
  return count;
}

void Adapter::check(const PeftConfig& config, Decoder& decoder) {
  const Choice choice = choose(config, decoder);
  check_starts(choice, decoder);
  static_cast<void>(list_copies(config, decoder.config(), maps_of(choice), "[lora]"));
}

void Adapter::add(const FusedPart& part, Matrix a, Matrix b_transposed, float scale, Matrix bias) {
  LORRY_CHECK_EQ(b_transposed.cols(), part.outputs);
  add(part.module(), std::move(a), std::move(b_transposed), scale, std::move(bias));
  entries_.back()->part = part;
}

Adapter Adapter::create(const PeftConfig& config, Decoder& decoder, std::uint64_t seed) {
  const Choice choice = choose(config, decoder);
  check_starts(choice, decoder);
  const auto& [parts, embeddings, chosen, spelt] = choice;
  const std::set<std::string> wanted(chosen.begin(), chosen.end());
  Adapter adapter(spelt);
  const ModuleRanks ranks(adapter.config_, "[lora]");
  adapter.config_.fan_in_fan_out = decoder.config().conv1d;
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
  for (CopySpec& spec : list_copies(config, decoder.config(), adapter.adapted_maps(), "[lora]")) {
    adapter.copies_.add_own(std::move(spec), decoder);
  }
  if (adapter.has_parts()) {
    adapter.config_.target_modules = maps_of(adapter, linear_names(decoder));
    adapter.config_.filter = {};  // those names say it all
  }
  return adapter;
}

void Adapter::add_embedding(const std::string& module, Matrix a_transposed, Matrix b_transposed,
                            float scale) {
  LORRY_CHECK_EQ(a_transposed.cols(), b_transposed.rows());
  auto entry = std::make_unique<EmbeddingEntry>();
  entry->module = module;
  entry->update.rank = b_transposed.rows();
  entry->update.scale = scale;
  entry->update.a_transposed = std::move(a_transposed);
  entry->update.b_transposed = std::move(b_transposed);
  embeddings_.push_back(std::move(entry));
}

void Adapter::attach(Decoder& decoder) {
  detach(decoder);  // another adapter's updates on other modules would stay otherwise
  for (auto& entry : entries_) {
    nn::Linear* linear = decoder.find_linear(entry->map());
    LORRY_CHECK(linear != nullptr);
    if (!entry->part) LORRY_CHECK_EQ(entry->update.b_transposed.cols(), linear->outputs());
    linear->add_update(&entry->update, entry->first_output());
    if (entry->given_up) linear->add_update(&*entry->given_up, entry->first_output());
  }
  nn::EmbeddingUpdate* tokens = nullptr;
  nn::EmbeddingUpdate* positions = nullptr;
  for (auto& entry : embeddings_) {
    const bool of_tokens = entry->module == decoder.config().names.root + decoder.config().names.embedding;
    (of_tokens ? tokens : positions) = &entry->update;
  }
  decoder.set_embedding_updates(tokens, positions);
  copies_.attach(decoder);
  renew_norms(decoder);
}

void Adapter::renew_norms(Decoder& decoder) const {
  if (!config_.use_dora) return;
  for (const auto& entry : entries_) decoder.find_linear(entry->map())->renew_norm(decoder.ops());
}

/// Every magnitude is the norm that its row has: DoRA changes nothing yet.
void Adapter::begin_magnitudes(Decoder& decoder) {
  for (auto& entry : entries_) entry->update.magnitude = Matrix(1, entry->update.b_transposed.cols());
  attach(decoder);
  for (auto& entry : entries_) copy_rows(entry->update.norm, 0, entry->update.magnitude);
  detach(decoder);
}

void Adapter::detach(Decoder& decoder) {
  for (nn::Linear* linear : decoder.linears()) linear->set_update(nullptr);
  decoder.set_embedding_updates(nullptr, nullptr);
  TrainedCopies::detach(decoder);
}

std::vector<Adapter::Tensor> Adapter::tensors() {
  std::vector<Tensor> all;
  for (auto& entry : entries_) {
    nn::LowRankUpdate& update = entry->update;
    all.push_back({peft_name(entry->module, kLoraA), &update.a, &update.a_gradient});
    all.push_back({peft_name(entry->module, kLoraB), &update.b_transposed, &update.b_gradient});
    if (!update.magnitude.empty())
      all.push_back({peft_name(entry->module, kMagnitude), &update.magnitude, &update.magnitude_gradient});
    if (update.bias.empty()) continue;
    all.push_back({peft_name(entry->module, kLoraBBias), &update.bias, &update.bias_gradient, false});
  }
  for (auto& entry : embeddings_) {
    nn::EmbeddingUpdate& update = entry->update;
    all.push_back({peft_name(entry->module, kLoraEmbeddingA), &update.a_transposed, &update.a_gradient});
    all.push_back({peft_name(entry->module, kLoraEmbeddingB), &update.b_transposed, &update.b_gradient});
  }
  for (TrainedCopies::Entry& copy : copies_.entries()) {
    const bool decay = copy.spec.tensor.shape.size() == 2;
    all.push_back({copy.spec.file_name, &copy.value, &copy.gradient, decay});
  }
  return all;
}

std::vector<optim::Parameter> Adapter::parameters() {
  std::vector<optim::Parameter> all;
  for (const Tensor& tensor : tensors()) {
    if (tensor.gradient->empty()) *tensor.gradient = Matrix(tensor.value->rows(), tensor.value->cols());
    all.push_back(
        {.name = tensor.name, .value = *tensor.value, .gradient = *tensor.gradient, .decay = tensor.decay});
  }
  return all;
}

void Adapter::zero_gradients() {
  for (const Tensor& tensor : tensors()) tensor.gradient->fill_zero();
}

Index Adapter::count_parameters() const {
  Index count = 0;
  for (const auto& entry : entries_) {
    const nn::LowRankUpdate& update = entry->update;
    count += update.a.size() + update.b_transposed.size() + update.bias.size() + update.magnitude.size();
  }
  for (const auto& entry : embeddings_) {
    count += entry->update.a_transposed.size() + entry->update.b_transposed.size();
  }
  for (const TrainedCopies::Entry& copy : copies_.entries()) count += copy.value.size();
  return count;
}

bool Adapter::has_parts() const noexcept {
  return std::any_of(entries_.begin(), entries_.end(),
                     [](const auto& entry) { return entry->part.has_value(); });
}

std::vector<std::string> Adapter::untied(const ModelConfig& model) const {
  if (!model.tie_word_embeddings) return {};
  std::set<std::string> changed = adapted_maps();
  for (const TrainedCopies::Entry& copy : copies_.entries()) {
    const std::string& name = copy.spec.tensor.name;
    changed.insert(name.substr(0, name.rfind('.')));
  }
  std::vector<std::string> untied;
  for (const std::string& module : {model.names.root + model.names.embedding, model.names.head}) {
    if (changed.contains(module)) untied.push_back(module);
  }
  return untied;
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
