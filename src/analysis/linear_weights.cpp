#include "analysis/linear_weights.hpp"

#include <algorithm>

#include "model/fused_parts.hpp"
#include "model/tensor_list.hpp"

namespace lorry::analysis {

namespace {

constexpr std::string_view kWeight = ".weight";

}  // namespace

LinearWeights::LinearWeights(const std::filesystem::path& folder)
    : path_(folder),
      config_(model::load_model_config(folder)),
      weights_of_model_(model::load_weights(folder, config_)) {
  const std::string embedding = config_.names.root + config_.names.embedding + std::string(kWeight);
  const auto add = [&](std::string module, const std::string& tensor) {
    // Only the maps of the blocks are Conv1D.
    const bool conv1d = config_.conv1d && module != config_.names.head;
    weights_.push_back({std::move(module), tensor, weights_of_model_.at(tensor), conv1d});
  };
  for (const model::TensorSpec& spec : model::list_tensors(config_)) {
    if (spec.kind != model::TensorKind::kLinear) continue;
    add(spec.name.substr(0, spec.name.size() - kWeight.size()), spec.name);
  }
  const std::string& head = config_.names.head;
  if (find(head) == nullptr) add(head, embedding);
  for (const model::FusedPart& part : model::fused_parts(config_)) {
    LinearWeight weight = *find(part.map);
    weight.module = part.module();
    weight.stored = weight.inputs_by_outputs ? weight.stored.col_range(part.first, part.outputs)
                                             : weight.stored.row_range(part.first, part.outputs);
    parts_.push_back(std::move(weight));
  }
}

const LinearWeight* LinearWeights::find(const std::string& module) const {
  for (const std::vector<LinearWeight>* list : {&weights_, &parts_}) {
    const auto found = std::find_if(list->begin(), list->end(),
                                    [&](const LinearWeight& weight) { return weight.module == module; });
    if (found != list->end()) return &*found;
  }
  return nullptr;
}

void LinearWeights::forget_all() const {
  weights_of_model_.release_pages();
}

void LinearWeights::forget(const LinearWeight& weight, Index first_row, Index rows) const {
  weights_of_model_.release_pages(weight.stored.row_range(first_row, rows));
}

}  // namespace lorry::analysis
