#include "model/adapter.hpp"

#include <algorithm>
#include <functional>
#include <set>

#include "model/peft_names.hpp"

namespace lorry::model {

namespace {

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

}  // namespace

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

void Adapter::add(const FusedPart& part, Matrix a, Matrix b_transposed, float scale, Matrix bias) {
  LORRY_CHECK_EQ(b_transposed.cols(), part.outputs);
  add(part.module(), std::move(a), std::move(b_transposed), scale, std::move(bias));
  entries_.back()->part = part;
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

void Adapter::add_tokens(const TokenTarget& target, Matrix value) {
  auto entry = std::make_unique<TokenEntry>();
  entry->module = target.module;
  entry->head_follows = target.head_follows;
  entry->rows = nn::TokenRows(target.ids, std::move(value));
  tokens_.push_back(std::move(entry));
}

void Adapter::attach(Decoder& decoder, const std::function<void(const nn::Linear&)>& read) {
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
  nn::TokenRows* of_embedding = nullptr;
  nn::TokenRows* of_head = nullptr;
  for (auto& entry : tokens_) {
    const bool is_head = entry->module == decoder.config().names.head;
    if (!is_head) of_embedding = &entry->rows;
    if (is_head || entry->head_follows) of_head = &entry->rows;
  }
  decoder.set_token_rows(of_embedding, of_head);
  copies_.attach(decoder);
  renew_norms(decoder, read);
}

void Adapter::renew_norms(Decoder& decoder, const std::function<void(const nn::Linear&)>& read) const {
  if (!config_.use_dora) return;
  decoder.with_linears([&](const nn::Linear& linear) {
    linear.renew_norm(decoder.ops());
    if (read) read(linear);
  });
}

void Adapter::detach(Decoder& decoder) {
  for (nn::Linear* linear : decoder.linears()) linear->set_update(nullptr);
  decoder.set_embedding_updates(nullptr, nullptr);
  decoder.set_token_rows(nullptr, nullptr);
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
  for (auto& entry : tokens_) {
    all.push_back({peft_name(entry->module, kTokenRows), &entry->rows.value, &entry->rows.gradient});
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
  for (const auto& entry : tokens_) count += entry->rows.value.size();
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
    changed.insert(copy.spec.tensor.module());
  }
  for (const auto& entry : tokens_) {
    if (!entry->head_follows) changed.insert(entry->module);
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
