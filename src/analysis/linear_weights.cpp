#include "analysis/linear_weights.hpp"

#include <algorithm>
#include <cstring>

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
    weights_.push_back({std::move(module), *found, config_.conv1d});
  };
  for (const model::TensorSpec& spec : model::list_tensors(config_)) {
    if (spec.kind != model::TensorKind::kLinear) continue;
    add(spec.name.substr(0, spec.name.size() - kWeight.size()), spec.name);
  }
  const std::string& head = config_.names.head;
  if (find(head) == nullptr) add(head, embedding);
  // Only the maps of the blocks are Conv1D.
  const auto is_head = [&](const LinearWeight& weight) { return weight.module == head; };
  std::find_if(weights_.begin(), weights_.end(), is_head)->inputs_by_outputs = false;
}

const LinearWeight* LinearWeights::find(const std::string& module) const {
  const auto found = std::find_if(weights_.begin(), weights_.end(),
                                  [&](const LinearWeight& weight) { return weight.module == module; });
  return found == weights_.end() ? nullptr : &*found;
}

ConstMatrixView LinearWeights::view(const LinearWeight& weight, Matrix& copy) {
  const io::TensorView& tensor = weight.tensor;
  const Index rows = tensor.shape[0];
  const Index cols = tensor.shape[1];
  if (tensor.aligned()) return {tensor.bytes.data(), rows, cols, cols, tensor.dtype};
  copy.reshape(rows, cols, tensor.dtype);
  std::memcpy(copy.view().data, tensor.bytes.data(), tensor.bytes.size());
  return copy;
}

void LinearWeights::forget(const LinearWeight& weight) const {
  tensors_.file_of(weight.tensor.name)
      .mapping()
      ->advise(io::MappedFile::Advice::kDontNeed, weight.tensor.bytes);
}

}  // namespace lorry::analysis
