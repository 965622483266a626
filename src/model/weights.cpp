#include "model/weights.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <set>
#include <string_view>

#include "core/error.hpp"
#include "io/gguf.hpp"
#include "model/bnb_weights.hpp"
#include "model/gguf_weights.hpp"
#include "model/tensor_values.hpp"
#include "model/weight_bytes.hpp"

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

/// Buffers that older files keep beside the weights of a layer.
bool is_buffer(std::string_view name) {
  constexpr std::array<std::string_view, 3> kEndings = {".rotary_emb.inv_freq", ".attn.bias",
                                                        ".attn.masked_bias"};
  return std::any_of(kEndings.begin(), kEndings.end(),
                     [&](std::string_view ending) { return name.ends_with(ending); });
}

/// A layer's weight left unread would make another model of this one: too few layers, a bias or a norm that
/// the config does not tell of. `read` has the names that the files give.
void check_nothing_unread(const io::TensorFolder& folder, const ModelConfig& config,
                          const std::set<std::string_view>& read) {
  for (const std::string& name : folder.names()) {
    std::string_view rest = name;
    if (rest.starts_with(config.names.root)) rest.remove_prefix(config.names.root.size());
    if (!rest.starts_with(config.names.layers + ".") || is_buffer(name) || read.contains(name)) continue;
    throw Error(
        "[load] {}: tensor \"{}\": found in a layer; config.json ({}, {} layers) has no place for it; wrong "
        "config for this model?",
        folder.file_of(name).path().string(), name, config.model_type, config.num_hidden_layers);
  }
}

}  // namespace

void Weights::add(const std::string& name, const io::TensorView& tensor) {
  const Index rows = tensor.shape[0];
  const Index cols = tensor.shape[1];
  if (tensor.aligned())
    return add(name, ConstMatrixView{tensor.bytes.data(), rows, cols, cols, tensor.dtype});
  Matrix copy(rows, cols, tensor.dtype);
  std::memcpy(copy.view().data, tensor.bytes.data(), tensor.bytes.size());
  add(name, copy.view());
  keep(std::move(copy));
}

void Weights::add(const std::string& name, const PackedMatrix& matrix) {
  packed_.push_back(std::make_unique<const PackedMatrix>(matrix));
  views_[name] = WeightView(packed_.back().get());
}

WeightView Weights::at(const std::string& name) const {
  const auto found = views_.find(name);
  if (found == views_.end()) check_failed(__FILE__, __LINE__, "no tensor " + name);
  return found->second;
}

Index Weights::matrix_bytes() const {
  Index bytes = 0;
  for (const auto& [name, view] : views_) bytes += view.bytes();
  return bytes;
}

void Weights::keep(std::shared_ptr<const io::TensorFolder> folder) {
  for (const io::SafetensorsFile& file : folder->files()) keep(file.mapping());
  folder_ = std::move(folder);
}

void Weights::release_pages() const {
  for (const auto& file : files_) file->advise(io::MappedFile::Advice::kDontNeed);
}

void Weights::release_pages(WeightView part) const {
  let_go(files_, part);
}

const io::TensorView* find_tensor(const io::TensorFolder& folder, const ModelConfig& config,
                                  const std::string& name) {
  if (const io::TensorView* tensor = folder.find(name)) return tensor;
  const std::string& root = config.names.root;
  return name.starts_with(root) ? folder.find(name.substr(root.size())) : nullptr;
}

Weights load_weights(const std::filesystem::path& path, const ModelConfig& config) {
  if (io::is_gguf_path(path)) return load_gguf_weights(io::GgufModel(path), config);
  auto folder = std::make_shared<const io::TensorFolder>(path);
  Weights weights;
  std::set<std::string_view> read;
  for (const TensorSpec& spec : list_tensors(config)) {
    const io::TensorView* tensor = find_tensor(*folder, config, spec.name);
    if (tensor != nullptr && spec.shape.size() == 2) {
      if (const auto format = bnb_format_of(*folder, *tensor)) {
        add_bnb_matrix(*folder, spec, *tensor, *format, weights, read);
        continue;
      }
    }
    check_tensor(*folder, spec, tensor);
    read.insert(tensor->name);
    if (spec.shape.size() == 1) {
      Matrix vector(1, spec.cols());
      read_floats(*tensor, 0, {vector.row<float>(0), static_cast<std::size_t>(spec.cols())});
      weights.add(spec.name, vector.view());
      weights.keep(std::move(vector));
    } else {
      weights.add(spec.name, *tensor);
    }
  }
  check_nothing_unread(*folder, config, read);
  weights.keep(std::move(folder));
  return weights;
}

}  // namespace lorry::model
