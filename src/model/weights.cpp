#include "model/weights.hpp"

#include <fmt/ranges.h>

#include <cstring>

#include "core/error.hpp"
#include "model/tensor_values.hpp"

namespace lorry::model {

namespace {

void check_tensor(const io::TensorFolder& folder, const TensorSpec& spec, const io::TensorView* tensor) {
  if (tensor == nullptr) {
    throw Error("[load] {}: tensor \"{}\" is missing; expected by config.json with shape [{}]",
                folder.path().string(), spec.name, fmt::join(spec.shape, ","));
  }
  const std::string file = folder.file_of(tensor->name).path().string();
  if (tensor->shape != spec.shape) {
    throw Error("[load] {}: tensor \"{}\" is [{}]; config.json says [{}]; wrong config for this model?", file,
                tensor->name, fmt::join(tensor->shape, ","), fmt::join(spec.shape, ","));
  }
  if (!is_float_tensor(*tensor)) {
    throw Error("[load] {}: tensor \"{}\" has type {}; supported: F32, F16, BF16", file, tensor->name,
                name_of(tensor->dtype));
  }
}

}  // namespace

ConstMatrixView Weights::at(const std::string& name) const {
  const auto found = views_.find(name);
  if (found == views_.end()) check_failed(__FILE__, __LINE__, "no tensor " + name);
  return found->second;
}

Index Weights::matrix_bytes() const {
  Index bytes = 0;
  for (const auto& [name, view] : views_) bytes += view.size() * size_of(view.dtype);
  return bytes;
}

void Weights::release_pages() const {
  if (!folder_) return;
  for (const io::SafetensorsFile& file : folder_->files()) {
    file.mapping()->advise(io::MappedFile::Advice::kDontNeed);
  }
}

const io::TensorView* find_tensor(const io::TensorFolder& folder, const ModelConfig& config,
                                  const std::string& name) {
  if (const io::TensorView* tensor = folder.find(name)) return tensor;
  const std::string& root = config.names.root;
  return name.starts_with(root) ? folder.find(name.substr(root.size())) : nullptr;
}

Weights load_weights(const std::filesystem::path& path, const ModelConfig& config) {
  auto folder = std::make_shared<const io::TensorFolder>(path);
  Weights weights;
  for (const TensorSpec& spec : list_tensors(config)) {
    const io::TensorView* tensor = find_tensor(*folder, config, spec.name);
    check_tensor(*folder, spec, tensor);
    if (spec.shape.size() == 1) {
      Matrix vector(1, spec.cols());
      read_floats(*tensor, 0, {vector.row<float>(0), static_cast<std::size_t>(spec.cols())});
      weights.add(spec.name, vector.view());
      weights.keep(std::move(vector));
    } else if (tensor->aligned()) {
      weights.add(spec.name, {tensor->bytes.data(), spec.rows(), spec.cols(), spec.cols(), tensor->dtype});
    } else {
      Matrix copy(spec.rows(), spec.cols(), tensor->dtype);
      std::memcpy(copy.view().data, tensor->bytes.data(), tensor->bytes.size());
      weights.add(spec.name, copy.view());
      weights.keep(std::move(copy));
    }
  }
  weights.keep(std::move(folder));
  return weights;
}

}  // namespace lorry::model
