#include "analysis/linear_weights.hpp"

#include <algorithm>
#include <cstring>

#include "model/fused_parts.hpp"
#include "model/tensor_list.hpp"
#include "model/weights.hpp"

namespace lorry::analysis {

namespace {

constexpr std::string_view kWeight = ".weight";

}  // namespace

LinearWeights::LinearWeights(const std::filesystem::path& folder)
    : config_(model::load_model_config(folder)), tensors_(folder) {
  model::load_weights(folder, config_);  // for its checks
  const std::string embedding = config_.names.root + config_.names.embedding + std::string(kWeight);
  const auto add = [&](std::string module, const std::string& tensor) {
    const io::TensorView* found = model::find_tensor(tensors_, config_, tensor);
    LORRY_CHECK(found != nullptr);
    // Only the maps of the blocks are Conv1D.
    const bool conv1d = config_.conv1d && module != config_.names.head;
    const Index outputs = found->shape[conv1d ? 1 : 0];
    weights_.push_back({std::move(module), *found, conv1d, 0, outputs});
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
    weight.first_output = part.first;
    weight.own_outputs = part.outputs;
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

ConstMatrixView LinearWeights::view(const LinearWeight& weight, Matrix& copy) {
  const io::TensorView& tensor = weight.tensor;
  const Index rows = tensor.shape[0];
  const Index cols = tensor.shape[1];
  ConstMatrixView whole = {tensor.bytes.data(), rows, cols, cols, tensor.dtype};
  if (!tensor.aligned()) {
    copy.reshape(rows, cols, tensor.dtype);
    std::memcpy(copy.view().data, tensor.bytes.data(), tensor.bytes.size());
    whole = copy;
  }
  return weight.inputs_by_outputs ? whole.col_range(weight.first_output, weight.outputs())
                                  : whole.row_range(weight.first_output, weight.outputs());
}

void LinearWeights::forget(const LinearWeight& weight) const {
  tensors_.file_of(weight.tensor.name)
      .mapping()
      ->advise(io::MappedFile::Advice::kDontNeed, weight.tensor.bytes);
}

}  // namespace lorry::analysis
