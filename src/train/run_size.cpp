#include "train/run_size.hpp"

#include <algorithm>

#include "model/adapter_files.hpp"
#include "model/module_place.hpp"
#include "model/peft_names.hpp"
#include "model/tensor_list.hpp"
#include "train/trainee.hpp"

namespace lorry::train {

namespace {

/// "base_model.model.model.layers.3.mlp.up_proj.lora_A.weight" as "mlp.up_proj", and the whole module's name.
struct ModuleName {
  std::string group;
  std::string module;
};

ModuleName module_name(const std::string& tensor) {
  std::string name = tensor;
  if (name.starts_with(model::kPeftPrefix)) name.erase(0, model::kPeftPrefix.size());
  const std::size_t update = std::min(name.find(".lora_"), name.find(".token_adapter."));
  name.erase(update == std::string::npos ? name.rfind('.') : update);
  return {.group = model::place_of(name).type, .module = name};
}

class Groups {
 public:
  void add(const ModuleName& name, Index parameters) {
    auto found = std::find_if(groups_.begin(), groups_.end(),
                              [&](const TrainedGroup& group) { return group.name == name.group; });
    if (found == groups_.end()) found = groups_.insert(found, {.name = name.group});
    found->parameters += parameters;
    // The tensors of a module follow one another.
    if (name.module != last_) ++found->modules;
    last_ = name.module;
  }
  [[nodiscard]] std::vector<TrainedGroup> take() { return std::move(groups_); }

 private:
  std::vector<TrainedGroup> groups_;
  std::string last_;
};

void add_tensor(const std::string& name, Index elements, Groups& groups, RunSize& size) {
  groups.add(module_name(name), elements);
  size.tensors.push_back(elements);
  size.trainable += elements;
}

/// The block of a linear map; the number of blocks for one outside.
Index block_of(const std::string& module, const model::ModelConfig& config) {
  for (Index layer = 0; layer < config.num_hidden_layers; ++layer) {
    if (module.starts_with(config.block_name(layer))) return layer;
  }
  return config.num_hidden_layers;
}

void measure_adapter(model::LoadedModel& model, const TrainOptions& options, Groups& groups, RunSize& size) {
  model::Decoder& decoder = *model.decoder;
  model::PeftConfig config = options.lora;
  config.init_lora_weights = model::PeftConfig().init_lora_weights;  // others may cost time
  model::Adapter adapter = options.adapter.empty() ? model::Adapter::create(config, decoder, options.seed)
                                                   : model::load_adapter(options.adapter, decoder);
  for (const optim::Parameter& parameter : adapter.parameters()) {
    add_tensor(parameter.name, parameter.value.size(), groups, size);
  }
  // With DoRA it is refused later, as all that the options exclude of each other.
  if (options.adapter.empty() && !config.use_dora &&
      model::starts_from_weights(options.lora.init_lora_weights)) {
    for (auto& entry : adapter.entries()) {
      nn::LowRankUpdate start = entry->trained();
      size.given_up += start.a.size() + start.b_transposed.size();
      entry->begin_with(std::move(start.a), std::move(start.b_transposed));
    }
  }
  size.warnings = warnings_of(adapter, model.config);
  size.dropout = adapter.config().lora_dropout > 0;
  size.dora = adapter.config().use_dora;
  size.lowest = model.config.num_hidden_layers;
  // Block 0 reads what embeddings give.
  for (const auto& entry : adapter.embeddings()) {
    size.embeddings.push_back({entry->module, entry->update.rank});
    size.lowest = 0;
  }
  for (const model::TrainedCopies::Entry& copy : adapter.copies().entries()) {
    size.copies.push_back(copy.spec);
    size.lowest = std::min(size.lowest, copy.spec.tensor.kind == model::TensorKind::kEmbedding
                                            ? 0
                                            : block_of(copy.spec.tensor.name, model.config));
  }
  for (const auto& entry : adapter.tokens()) {
    if (entry->module != model.config.names.head) size.lowest = 0;
  }
  adapter.attach(decoder);
  for (const nn::Linear* linear : decoder.linears()) {
    Index ranks = 0;
    for (const nn::Linear::PlacedUpdate& placed : linear->updates()) ranks += placed.update->rank;
    size.ranks.push_back(ranks);
    if (ranks > 0) size.lowest = std::min(size.lowest, block_of(linear->name(), model.config));
  }
  // Rows of the head make as many columns of products as an update of that rank.
  for (const auto& entry : adapter.tokens()) {
    if (entry->head_follows || entry->module == model.config.names.head)
      size.ranks.back() += std::ssize(entry->rows.ids());
  }
  model::Adapter::detach(decoder);
}

}  // namespace

RunSize measure_run(model::LoadedModel& model, const TrainOptions& options) {
  RunSize size{.model = model::count_weights(model.config)};
  Groups groups;
  if (options.method == Method::kLora) {
    measure_adapter(model, options, groups, size);
  } else {
    for (const model::TensorSpec& spec : model::list_tensors(model.config)) {
      add_tensor(spec.name, spec.rows() * spec.cols(), groups, size);
    }
    size.ranks.assign(model.decoder->linears().size(), 0);
  }
  size.groups = groups.take();
  return size;
}

io::OrderedJson to_json(const std::vector<TrainedGroup>& groups) {
  io::OrderedJson list = io::OrderedJson::array();
  for (const TrainedGroup& group : groups) {
    list.push_back({{"module", group.name}, {"count", group.modules}, {"parameters", group.parameters}});
  }
  return list;
}

}  // namespace lorry::train
