#include "train/trainee.hpp"

#include <cmath>

#include "core/error.hpp"
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
  }
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
  if (full_) return {};
  const std::vector<std::string> oversized = adapter_->oversized();
  if (oversized.empty()) return {};
  return {fmt::format("the rank is above the smaller side of {} layers ({}, ...): the rest of it is idle",
                      oversized.size(), oversized.front())};
}

Trainable Trainee::trainable() {
  if (full_) {
    return {.parameters = parameters(),
            .zero_gradients = [full = full_.get()] { full->zero_gradients(); },
            .after_update = [full = full_.get()] { full->refresh(); }};
  }
  return {.parameters = parameters(),
          .zero_gradients = [adapter = adapter_.get()] { adapter->zero_gradients(); },
          .after_update = {}};
}

void Trainee::save(const std::filesystem::path& out) const {
  for (const optim::Parameter& parameter : parameters()) {
    if (std::isfinite(inputs_.model.ops->sum_of_squares(parameter.value))) continue;
    throw Diverged(
        "[train] {}: found NaN or infinity after the last step; expected finite numbers; try a lower --lr",
        parameter.name);
  }
  if (full_) {
    full_->save(out / "model.safetensors", stored_dtype_);
  } else {
    model::save_adapter(out, *adapter_);
  }
}

}  // namespace lorry::train
