#include "model/merge_targets.hpp"

#include <string>

#include "core/error.hpp"
#include "ops/ops.hpp"

namespace lorry::model {

namespace {

/// Fills the targets of one adapter.
class TargetFinder {
 public:
  TargetFinder(Decoder& decoder, const Adapter& adapter, const std::filesystem::path& model)
      : decoder_(decoder), adapter_(adapter), model_(model) {}

  MergeTargets find() {
    add_tables();
    add_copies();
    add_embeddings();
    add_tokens();
    for (const auto& entry : adapter_.entries()) add_map(*entry);
    return std::move(targets_);
  }

 private:
  [[nodiscard]] const ModelConfig& config() const { return decoder_.config(); }
  [[nodiscard]] ops::Ops& ops() const { return decoder_.ops(); }
  [[nodiscard]] std::string embedding() const { return config().names.root + config().names.embedding; }
  [[nodiscard]] WeightView head() const {
    return decoder_.find_linear(config().names.head)->weights().readable();
  }

  /// A change of one of the two would be one of both.
  void check_untied(const std::string& module) const {
    if (!config().tie_word_embeddings) return;
    const bool head = module == config().names.head;
    if (!head && module != embedding()) return;
    throw Error(
        "[merge] {}: the adapter changes {}, which this model shares with its {}; expected an adapter "
        "without "
        "it, since merging would change the {} too",
        model_.string(), module, head ? "embedding" : "head", head ? "embedding" : "head");
  }

  /// Tables with another number of tokens, as far as nothing else changes them.
  void add_tables() {
    if (!config().other_vocabulary) return;
    targets_[embedding() + ".weight"].values = decoder_.embedding_table().as_dense();
    if (config().tie_word_embeddings) return;
    targets_[config().names.head + ".weight"].values = head().as_dense();
  }

  void add_copies() {
    for (const TrainedCopies::Entry& copy : adapter_.copies().entries()) {
      check_untied(copy.spec.tensor.module());
      targets_[copy.spec.tensor.name] = {.values = copy.value.view()};
    }
  }

  /// An embedding's update as that of a map stored [V,D].
  [[nodiscard]] MergeTarget merged_embedding(const nn::EmbeddingUpdate& update, WeightView table) const {
    auto map = std::make_shared<nn::LowRankUpdate>();
    map->rank = update.rank;
    map->scale = update.scale;
    map->a = Matrix(update.rank, table.rows);
    map->b_transposed = Matrix(update.rank, table.cols);
    ops().transpose(update.a_transposed, map->a);
    ops().copy(update.b_transposed, map->b_transposed);
    return {.weight = table, .update = map.get(), .inputs_by_outputs = true, .kept = map};
  }

  void add_embeddings() {
    for (const auto& entry : adapter_.embeddings()) {
      check_untied(entry->module);
      const bool tokens = entry->module == embedding();
      targets_[entry->module + ".weight"] =
          merged_embedding(entry->update, tokens ? decoder_.embedding_table() : decoder_.position_table());
    }
  }

  void add_tokens() {
    for (const auto& entry : adapter_.tokens()) {
      if (!entry->head_follows) check_untied(entry->module);
      const bool is_head = entry->module == config().names.head;
      targets_[entry->module + ".weight"] = {.weight = is_head ? head() : decoder_.embedding_table(),
                                             .tokens = &entry->rows};
    }
  }

  void add_map(const Adapter::Entry& entry) {
    check_untied(entry.module);
    const nn::Linear* const linear = decoder_.find_linear(entry.module);
    LORRY_CHECK(linear != nullptr);
    const nn::Linear::Weights& weights = linear->weights();
    targets_[entry.module + ".weight"] = {.weight = weights.readable(),
                                          .update = &entry.update,
                                          .inputs_by_outputs = weights.inputs_by_outputs};
    if (!entry.update.bias.empty()) add_bias(entry, weights.bias);
  }

  /// bias + scale * the update's bias; `own` is the model's, of which there may be a trained copy.
  void add_bias(const Adapter::Entry& entry, ConstMatrixView own) {
    if (own.empty()) {
      throw Error(
          "[merge] {}: the adapter adds a bias to {} (lora_bias), which has none; expected an adapter "
          "without one, since the merged model would have no place for it",
          model_.string(), entry.module);
    }
    const std::string name = entry.module + ".bias";
    const auto copy = targets_.find(name);
    const ConstMatrixView bias = copy == targets_.end() ? own : copy->second.values;
    MergeTarget target{.owned = Matrix(1, bias.cols)};
    ops().copy(bias, target.owned);
    ops().add(entry.update.bias, entry.update.scale, target.owned);
    target.values = target.owned.view();
    targets_[name] = std::move(target);
  }

  Decoder& decoder_;
  const Adapter& adapter_;
  const std::filesystem::path& model_;
  MergeTargets targets_;
};

}  // namespace

MergeTargets find_merge_targets(Decoder& decoder, const Adapter& adapter,
                                const std::filesystem::path& model) {
  return TargetFinder(decoder, adapter, model).find();
}

}  // namespace lorry::model
