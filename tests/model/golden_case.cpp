#include "model/golden_case.hpp"

#include <cmath>
#include <cstring>

namespace lorry::model {

namespace {

GoldenDocument make_document(const std::vector<std::int32_t>& ids, const std::vector<std::int32_t>& labels) {
  GoldenDocument document{.ids = ids, .targets = std::vector<std::int32_t>(ids.size(), -1)};
  for (std::size_t t = 0; t + 1 < ids.size(); ++t) {
    if (labels[t + 1] >= 0) document.targets[t] = labels[t + 1];
  }
  return document;
}

std::vector<std::int32_t> slice(const std::vector<std::int32_t>& from, Index first, Index count) {
  return {from.begin() + first, from.begin() + first + count};
}

}  // namespace

data::Batch pack(const std::vector<GoldenDocument>& documents) {
  data::Batch batch;
  batch.offsets.push_back(0);
  for (const GoldenDocument& document : documents) {
    for (std::size_t t = 0; t < document.ids.size(); ++t) {
      batch.ids.push_back(document.ids[t]);
      batch.targets.push_back(document.targets[t]);
      batch.positions.push_back(static_cast<std::int32_t>(t));
      if (document.targets[t] >= 0) ++batch.target_count;
    }
    batch.offsets.push_back(batch.rows());
  }
  batch.token_count = batch.rows();
  return batch;
}

GoldenCase::GoldenCase(const std::string& name, DType compute, const std::string& model,
                       const std::string& config)
    : folder_(golden_folder() / "families" / name), ops_(ops::make_cpu_ops(1)) {
  const ModelConfig parsed = load_model_config(folder_ / config);
  weights_ = load_weights(folder_ / model, parsed);
  decoder_ = std::make_unique<Decoder>(*ops_, parsed, weights_, compute);
  reference_ = std::make_unique<io::SafetensorsFile>(folder_ / "reference.safetensors");
}

data::Batch GoldenCase::labelled() const {
  return pack({make_document(ids("input_ids"), ids("labels"))});
}

Matrix GoldenCase::tensor(const std::string& name) const {
  const io::TensorView& view = reference_->at(name);
  LORRY_CHECK(view.dtype == DType::kF32);
  Matrix result(view.shape.size() == 2 ? view.shape[0] : 1, view.shape.back());
  std::memcpy(result.view().data, view.bytes.data(), view.bytes.size());
  return result;
}

std::vector<std::int32_t> GoldenCase::ids(const std::string& name) const {
  const io::TensorView& view = reference_->at(name);
  LORRY_CHECK(view.dtype == DType::kI64);
  std::vector<std::int64_t> wide(view.bytes.size() / sizeof(std::int64_t));
  std::memcpy(wide.data(), view.bytes.data(), view.bytes.size());
  return {wide.begin(), wide.end()};
}

GoldenDocument GoldenCase::document(Index i) const {
  const std::string prefix = "document." + std::to_string(i);
  return make_document(ids(prefix + ".input_ids"), ids(prefix + ".labels"));
}

std::vector<GoldenDocument> GoldenCase::training_documents(Index step) const {
  const std::vector<Index>& shape = reference_->at("train.input_ids").shape;  // [steps, documents, time]
  const std::vector<std::int32_t> all_ids = ids("train.input_ids");
  const std::vector<std::int32_t> all_labels = ids("train.labels");
  std::vector<GoldenDocument> documents;
  for (Index d = 0; d < shape[1]; ++d) {
    const Index first = (step * shape[1] + d) * shape[2];
    documents.push_back(make_document(slice(all_ids, first, shape[2]), slice(all_labels, first, shape[2])));
  }
  return documents;
}

Matrix logits_of(Decoder& decoder, const data::Batch& batch) {
  Matrix logits(batch.rows(), decoder.config().vocab_size);
  Decoder::Workspace workspace;
  decoder.logits(batch, workspace, logits);
  return logits;
}

double relative_difference(ConstMatrixView a, ConstMatrixView b) {
  LORRY_CHECK(a.rows == b.rows && a.cols == b.cols);
  double difference = 0;
  double norm = 0;
  for (Index i = 0; i < a.rows; ++i) {
    for (Index j = 0; j < a.cols; ++j) {
      const double want = b.row<float>(i)[j];
      const double delta = a.row<float>(i)[j] - want;
      difference += delta * delta;
      norm += want * want;
    }
  }
  return std::sqrt(difference / norm);
}

double cosine(ConstMatrixView a, ConstMatrixView b) {
  double product = 0;
  double norm_a = 0;
  double norm_b = 0;
  for (Index i = 0; i < a.rows; ++i) {
    for (Index j = 0; j < a.cols; ++j) {
      const double x = a.row<float>(i)[j];
      const double y = b.row<float>(i)[j];
      product += x * y;
      norm_a += x * x;
      norm_b += y * y;
    }
  }
  return product / std::sqrt(norm_a * norm_b);
}

Matrix transposed(ConstMatrixView from) {
  Matrix to(from.cols, from.rows);
  for (Index i = 0; i < from.rows; ++i) {
    for (Index j = 0; j < from.cols; ++j) to.row<float>(j)[i] = from.row<float>(i)[j];
  }
  return to;
}

}  // namespace lorry::model
