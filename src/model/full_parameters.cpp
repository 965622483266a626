#include "model/full_parameters.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>

#include "core/error.hpp"
#include "io/safetensors.hpp"
#include "io/safetensors_writer.hpp"

namespace lorry::model {

FullParameters::FullParameters(ops::Ops& ops, const ModelConfig& config, const Weights& source, DType compute)
    : ops_(ops), config_(config) {
  for (TensorSpec& spec : list_tensors(config)) {
    auto entry = std::make_unique<Entry>();
    entry->master = Matrix(spec.rows(), spec.cols());
    entry->gradient = Matrix(spec.rows(), spec.cols());
    ops.copy(source.at(spec.name), entry->master);
    const bool copied = spec.shape.size() == 2 && compute != DType::kF32;
    if (copied) entry->copy = Matrix(spec.rows(), spec.cols(), compute);
    weights_.add(spec.name, copied ? entry->copy.view() : entry->master.view());
    entry->spec = std::move(spec);
    entries_.push_back(std::move(entry));
  }
  refresh();
}

MatrixView FullParameters::gradient_of(const std::string& name) {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const auto& entry) { return entry->spec.name == name; });
  return found == entries_.end() ? MatrixView{} : (*found)->gradient.view();
}

void FullParameters::attach(Decoder& decoder) {
  const ModuleNames& names = config_.names;
  const MatrixView embedding = gradient_of(names.root + names.embedding + ".weight");
  decoder.set_embedding_gradients(embedding,
                                  names.position_embedding.empty()
                                      ? MatrixView{}
                                      : gradient_of(names.root + names.position_embedding + ".weight"));
  for (nn::Linear* linear : decoder.linears()) {
    MatrixView matrix = gradient_of(linear->name() + ".weight");
    if (matrix.empty() && linear->name() == names.head && config_.tie_word_embeddings) matrix = embedding;
    LORRY_CHECK(!matrix.empty());
    linear->set_gradients({.matrix = matrix, .bias = gradient_of(linear->name() + ".bias")});
  }
  for (const auto& entry : entries_) {
    if (entry->spec.kind != TensorKind::kNormWeight) continue;
    const std::string name = entry->spec.module();
    nn::Norm* norm = decoder.find_norm(name);
    LORRY_CHECK(norm != nullptr);
    norm->set_gradients({.weight = entry->gradient, .bias = gradient_of(name + ".bias")});
  }
}

std::vector<optim::Parameter> FullParameters::parameters() {
  std::vector<optim::Parameter> all;
  for (auto& entry : entries_) {
    all.push_back({.name = entry->spec.name,
                   .value = entry->master,
                   .gradient = entry->gradient,
                   .decay = entry->spec.shape.size() == 2});
  }
  return all;
}

void FullParameters::zero_gradients() {
  for (auto& entry : entries_) entry->gradient.fill_zero();
}

void FullParameters::refresh() {
  for (auto& entry : entries_) {
    if (!entry->copy.empty()) ops_.copy(entry->master, entry->copy);
  }
}

Index FullParameters::count_parameters() const {
  Index count = 0;
  for (const auto& entry : entries_) count += entry->master.size();
  return count;
}

void FullParameters::save(const std::filesystem::path& file, DType dtype) const {
  std::vector<io::TensorSpec> specs;
  for (const auto& entry : entries_) specs.push_back({entry->spec.name, dtype, entry->spec.shape});
  io::SafetensorsWriter writer(file, std::move(specs));
  for (const auto& entry : entries_) {
    Matrix converted(entry->master.rows(), entry->master.cols(), dtype);
    ops_.copy(entry->master, converted);
    writer.write(entry->spec.name, {converted.view().data, static_cast<std::size_t>(converted.bytes())});
  }
  writer.finish();
}

void FullParameters::load(const std::filesystem::path& file) {
  const io::SafetensorsFile stored(file);
  for (auto& entry : entries_) {
    const io::TensorView& tensor = stored.at(entry->spec.name);
    if (tensor.dtype != DType::kF32 || tensor.shape != entry->spec.shape) {
      throw Error("[load] {}: tensor \"{}\" is {} [{}]; expected F32 [{}]", file.string(), tensor.name,
                  name_of(tensor.dtype), fmt::join(tensor.shape, ","), fmt::join(entry->spec.shape, ","));
    }
    std::memcpy(entry->master.view().data, tensor.bytes.data(), tensor.bytes.size());
  }
  refresh();
}

}  // namespace lorry::model
