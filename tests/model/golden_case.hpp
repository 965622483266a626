// One case of tests/golden/families: a tiny model, a PEFT adapter and what transformers and PEFT computed on
// them.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/batch.hpp"
#include "io/safetensors.hpp"
#include "model/adapter_files.hpp"
#include "model/decoder.hpp"
#include "support/golden_folder.hpp"

namespace lorry::model {

using lorry::golden_folder;

/// A document as the golden files hold it: row t predicts targets[t], -1 where there is no target.
struct GoldenDocument {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> targets;
};

/// Rows of several documents in one packed batch.
data::Batch pack(const std::vector<GoldenDocument>& documents);

class GoldenCase {
 public:
  /// One thread: the models are tiny. `model` and `config` name alternatives within the case's folder.
  explicit GoldenCase(const std::string& name, DType compute = DType::kF32,
                      const std::string& model = "model", const std::string& config = "model/config.json");

  [[nodiscard]] std::filesystem::path folder() const { return folder_; }
  [[nodiscard]] Decoder& decoder() { return *decoder_; }
  [[nodiscard]] const Weights& weights() const { return weights_; }
  [[nodiscard]] ops::Ops& ops() { return *ops_; }
  /// The PEFT adapter of the case.
  [[nodiscard]] Adapter adapter() { return load_adapter(folder_ / "adapter", *decoder_); }

  /// Takes tensors from another file than the case's reference.safetensors.
  void use_reference(const std::filesystem::path& file) {
    reference_ = std::make_unique<io::SafetensorsFile>(file);
  }
  /// A tensor of reference.safetensors, [rows, cols] F32; one-dimensional ones have one row.
  [[nodiscard]] Matrix tensor(const std::string& name) const;
  [[nodiscard]] bool has(const std::string& name) const { return reference_->find(name) != nullptr; }
  [[nodiscard]] double scalar(const std::string& name) const {
    return static_cast<double>(tensor(name).row<float>(0)[0]);
  }
  [[nodiscard]] std::vector<std::int32_t> ids(const std::string& name) const;
  /// input_ids with labels, of a reference that holds one document.
  [[nodiscard]] data::Batch labelled() const;
  [[nodiscard]] GoldenDocument document(Index i) const;
  [[nodiscard]] std::vector<GoldenDocument> documents() const {
    return {document(0), document(1), document(2)};
  }
  /// The two documents of training step `step`.
  [[nodiscard]] std::vector<GoldenDocument> training_documents(Index step) const;

 private:
  std::filesystem::path folder_;
  std::unique_ptr<ops::Ops> ops_;
  Weights weights_;
  std::unique_ptr<Decoder> decoder_;
  std::unique_ptr<io::SafetensorsFile> reference_;
};

/// [rows, vocab_size] F32.
Matrix logits_of(Decoder& decoder, const data::Batch& batch);
/// ‖a - b‖ / ‖b‖ over all elements.
double relative_difference(ConstMatrixView a, ConstMatrixView b);
/// Cosine of the angle between a and b as vectors.
double cosine(ConstMatrixView a, ConstMatrixView b);
/// transposed copy, F32.
Matrix transposed(ConstMatrixView from);

}  // namespace lorry::model
