#include "model/gguf_weights.hpp"

#include <fmt/ranges.h>

#include <array>
#include <set>

#include "core/error.hpp"
#include "io/message_text.hpp"
#include "model/gguf_names.hpp"
#include "model/tensor_values.hpp"

namespace lorry::model {

namespace {

std::string all_block_formats() {
  std::string names;
  for (Index number = 0; number <= static_cast<Index>(BlockFormat::kIQ4_NL); ++number) {
    const BlockFacts& facts = facts_of(static_cast<BlockFormat>(number));
    names += fmt::format("{}{}", names.empty() ? "" : ", ", facts.name);
  }
  return names;
}

/// Reads one model's tensors into Weights.
class GgufLoader {
 public:
  GgufLoader(const io::GgufModel& model, const ModelConfig& config) : model_(model), config_(config) {}

  Weights load() {
    for (const TensorSpec& spec : list_tensors(config_)) add(spec);
    check_nothing_unread();
    for (const io::GgufFile& file : model_.files()) weights_.keep(file.mapping());
    return std::move(weights_);
  }

 private:
  void add(const TensorSpec& spec) {
    const std::string name = gguf_name(config_, spec);
    const io::GgufTensor* const tensor = model_.find(name);
    if (tensor == nullptr) {
      throw Error("[load] {}: tensor {}: missing; expected one of shape [{}]", model_.path().string(),
                  io::in_quotes(name), fmt::join(spec.shape, ","));
    }
    read_.insert(tensor->name);
    if (tensor->shape != spec.shape) {
      fail(*tensor, fmt::format("[{}]", fmt::join(tensor->shape, ",")),
           fmt::format("[{}], as the metadata says", fmt::join(spec.shape, ",")));
    }
    if (spec.shape.size() == 1) {
      add_vector(spec, *tensor);
    } else {
      add_matrix(spec, *tensor);
    }
  }

  [[noreturn]] void fail(const io::GgufTensor& tensor, std::string_view found,
                         std::string_view expected) const {
    throw Error("[load] {}: tensor {}: found {}; expected {}", model_.file_of(tensor.name).string(),
                io::in_quotes(tensor.name), found, expected);
  }

  void add_vector(const TensorSpec& spec, const io::GgufTensor& tensor) {
    const std::optional<DType> dtype = dense_type(tensor);
    if (!dtype) fail(tensor, tensor.type->name, "F32, F16 or BF16, since it is a vector");
    std::vector<float> stored(static_cast<std::size_t>(spec.cols()));
    read_floats({.name = tensor.name, .dtype = *dtype, .shape = tensor.shape, .bytes = tensor.bytes}, 0,
                stored);
    Matrix vector(1, spec.cols());
    PackedMatrix order;
    order.interleaved_head = gguf_interleaved_head(config_, spec);
    for (Index i = 0; i < spec.cols(); ++i) {
      vector.row<float>(0)[i] = stored[static_cast<std::size_t>(order.stored_row(i))];
    }
    weights_.add(spec.name, vector.view());
    weights_.keep(std::move(vector));
  }

  void add_matrix(const TensorSpec& spec, const io::GgufTensor& tensor) {
    const std::optional<BlockFormat> format = block_format_from_name(tensor.type->name);
    if (!format) fail(tensor, fmt::format("type {}", tensor.type->name), all_block_formats());
    const std::optional<DType> dtype = dense_type(tensor);
    const Index head = gguf_interleaved_head(config_, spec);
    if (!dtype || head != 0) {
      PackedMatrix matrix;
      matrix.format = *format;
      matrix.rows = spec.rows();
      matrix.cols = spec.cols();
      matrix.codes = tensor.bytes;
      matrix.interleaved_head = head;
      weights_.add(spec.name, matrix);
      return;
    }
    weights_.add(
        spec.name,
        io::TensorView{.name = tensor.name, .dtype = *dtype, .shape = tensor.shape, .bytes = tensor.bytes});
  }

  [[nodiscard]] static std::optional<DType> dense_type(const io::GgufTensor& tensor) {
    for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
      if (tensor.type->name == name_of(dtype)) return dtype;
    }
    return std::nullopt;
  }

  /// A tensor left unread would make another model of this one. rope_freqs is the config's.
  void check_nothing_unread() const {
    for (const auto& [name, tensor] : model_.tensors()) {
      if (read_.contains(name) || name == "rope_freqs.weight") continue;
      fail(*tensor, fmt::format("{} [{}]", tensor->type->name, fmt::join(tensor->shape, ",")),
           fmt::format("none of that name in a model of {} with {} layers", config_.model_type,
                       config_.num_hidden_layers));
    }
  }

  const io::GgufModel& model_;
  const ModelConfig& config_;
  Weights weights_;
  std::set<std::string_view> read_;
};

}  // namespace

Weights load_gguf_weights(const io::GgufModel& model, const ModelConfig& config) {
  return GgufLoader(model, config).load();
}

}  // namespace lorry::model
