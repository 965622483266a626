#include "train/trainee.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "analysis/weight_start.hpp"
#include "core/error.hpp"
#include "io/tensor_folder.hpp"
#include "io/text_file.hpp"
#include "model/adapter_files.hpp"
#include "model/model_folder.hpp"
#include "train/diverged.hpp"

namespace lorry::train {

Trainee::Trainee(RunInputs& inputs, const TrainOptions& options) : inputs_(inputs) {
  LORRY_CHECK(inputs.model.adapter == nullptr);
  if (options.method == Method::kFull) {
    make_full(options);
  } else {
    make_lora(options);
  }
}

Trainee::~Trainee() {
  if (adapter_) model::Adapter::detach(*inputs_.model.decoder);
}

void Trainee::make_lora(const TrainOptions& options) {
  model::Decoder& decoder = *inputs_.model.decoder;
  if (!options.adapter.empty()) {
    adapter_ = std::make_unique<model::Adapter>(model::load_adapter(options.adapter, decoder));
  } else {
    model::PeftConfig config = options.lora;
    config.base_model_name_or_path = inputs_.model.folder.string();
    adapter_ = std::make_unique<model::Adapter>(model::Adapter::create(config, decoder, options.seed));
    analysis::start_from_weights(*adapter_, decoder, options.seed, options.threads);
  }
  static_cast<void>(
      adapter_->parameters());  // makes the gradients: copies train by those they are attached with
  adapter_->attach(decoder);
}

void Trainee::make_full(const TrainOptions& options) {
  const model::LoadedModel& model = inputs_.model;
  const DType compute = model.decoder->compute();
  stored_dtype_ = model::stored_dtype(model.folder);
  model::copy_side_files(model.folder, options.out);
  full_ = std::make_unique<model::FullParameters>(*model.ops, model.config, model.weights, compute);
  model.weights.release_pages();
  decoder_ = std::make_unique<model::Decoder>(*model.ops, model.config, full_->weights(), compute);
  full_->attach(*decoder_);
}

std::vector<optim::Parameter> Trainee::parameters() const {
  return full_ ? full_->parameters() : adapter_->parameters();
}

Index Trainee::count_parameters() const {
  return full_ ? full_->count_parameters() : adapter_->count_parameters();
}

std::vector<std::string> Trainee::warnings() const {
  return full_ ? std::vector<std::string>() : warnings_of(*adapter_, inputs_.model.config);
}

std::vector<std::string> warnings_of(const model::Adapter& adapter, const model::ModelConfig& config) {
  std::vector<std::string> warnings;
  const std::vector<std::string> oversized = adapter.oversized();
  if (!oversized.empty()) {
    warnings.push_back(
        fmt::format("the rank is above the smaller side of {} layers ({}, ...): the rest of it is idle",
                    oversized.size(), oversized.front()));
  }
  const std::vector<std::string> untied = adapter.untied(config);
  if (!untied.empty()) {
    warnings.push_back(
        fmt::format("{}: trained apart from what this model ties it to, as PEFT does; merge will refuse",
                    fmt::join(untied, ", ")));
  }
  return warnings;
}

Trainable Trainee::trainable() {
  if (full_) {
    return {.parameters = parameters(),
            .zero_gradients = [full = full_.get()] { full->zero_gradients(); },
            .after_update = [full = full_.get()] { full->refresh(); }};
  }
  return {.parameters = parameters(),
          .zero_gradients = [adapter = adapter_.get()] { adapter->zero_gradients(); },
          .after_update = [adapter = adapter_.get(),
                           decoder = inputs_.model.decoder.get()] { adapter->renew_norms(*decoder); }};
}

void Trainee::check_finite() const {
  for (const optim::Parameter& parameter : parameters()) {
    if (std::isfinite(inputs_.model.ops->sum_of_squares(parameter.value))) continue;
    throw Diverged(
        "[train] {}: found NaN or infinity after the last step; expected finite numbers; try a lower --lr",
        parameter.name);
  }
}

/// The template that conversations were learnt by, unless it is the one that the model carries anyway:
/// whoever uses the result must write them alike.
void Trainee::save_chat_template(const std::filesystem::path& folder) const {
  const std::string& name = inputs_.data.chat_template;
  if (name.empty()) return;
  const std::optional<std::string>& own = inputs_.model.tokenizer->chat_template();
  const text::ChatTemplate* known = own ? text::recognise_chat_template(*own) : nullptr;
  const text::ChatTemplate* used = text::find_chat_template(name);
  LORRY_CHECK(used != nullptr);
  if (used != known) io::write_text_file(folder / model::kChatTemplateFile, used->jinja);
}

void Trainee::save(const std::filesystem::path& out) const {
  check_finite();
  save_chat_template(out);
  // The weights last: they make the run a finished one.
  if (full_) {
    full_->save(out / io::kModelFile, stored_dtype_);
  } else {
    model::save_tokenizer(inputs_.model.tokenizer_files, out);
    model::save_adapter(out, *adapter_);
  }
}

void Trainee::save_checkpoint(const std::filesystem::path& folder) const {
  check_finite();
  if (full_) {
    model::copy_side_files(inputs_.model.folder, folder);
    save_chat_template(folder);
    full_->save(folder / io::kModelFile, DType::kF32);
  } else {
    save_chat_template(folder);
    model::save_tokenizer(inputs_.model.tokenizer_files, folder);
    model::save_adapter(folder, *adapter_);
  }
}

void Trainee::take_given_up(model::Adapter& saved) {
  auto& from = saved.entries();
  auto& to = adapter_->entries();
  for (std::size_t i = 0; i < std::min(from.size(), to.size()); ++i) {
    nn::LowRankUpdate& update = from[i]->update;
    if (!to[i]->given_up || from[i]->module != to[i]->module || update.rank != 2 * to[i]->update.rank)
      continue;
    to[i]->set_whole(update);
    update = to[i]->trained();
  }
}

void Trainee::load_checkpoint(const std::filesystem::path& folder) {
  if (full_) {
    full_->load(folder / io::kModelFile);
    return;
  }
  model::Adapter saved = model::load_adapter(folder, *inputs_.model.decoder);
  take_given_up(saved);
  const std::vector<model::Adapter::Tensor> from = saved.tensors();
  const std::vector<model::Adapter::Tensor> to = adapter_->tensors();
  const auto same = [](const auto& a, const auto& b) {
    return a.name == b.name && a.value->rows() == b.value->rows() && a.value->cols() == b.value->cols();
  };
  if (!std::equal(from.begin(), from.end(), to.begin(), to.end(), same)) {
    throw Error("[train] {}: holds updates of other layers or ranks; expected a checkpoint of this run",
                folder.string());
  }
  model::Decoder& decoder = *inputs_.model.decoder;
  for (std::size_t i = 0; i < to.size(); ++i) decoder.ops().copy(*from[i].value, *to[i].value);
  adapter_->renew_norms(decoder);
}

}  // namespace lorry::train
