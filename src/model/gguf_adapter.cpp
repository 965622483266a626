// The format: docs/gguf.md. Shapes: A [R,I], B [O,R]; V tokens, D width of the embedding.
#include "model/gguf_adapter.hpp"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "core/check.hpp"
#include "core/error.hpp"
#include "io/gguf_writer.hpp"
#include "io/message_text.hpp"
#include "model/adapter_files.hpp"
#include "model/gguf_names.hpp"
#include "model/vocabulary.hpp"
#include "tensor/packed.hpp"

namespace lorry::model {

namespace {

/// llama.cpp has Mistral as a Llama.
std::string gguf_architecture(const ModelConfig& config) {
  return config.model_type == "mistral" ? "llama" : config.model_type;
}

/// Numbers of general.file_type: ALL_F32 and MOSTLY_F16.
std::uint32_t file_type_number(DType type) {
  return type == DType::kF16 ? 1 : 0;
}

/// Refuses by name what the format cannot hold.
class GgufAdapterCheck {
 public:
  GgufAdapterCheck(const ModelConfig& config, std::string adapter)
      : config_(config), adapter_(std::move(adapter)) {}

  void check(const Adapter& adapter) const {
    if (adapter.config().use_dora) fail("use_dora", "an adapter without DoRA" + merged());
    if (adapter.config().lora_bias) fail("lora_bias", "an adapter without biases" + merged());
    for (const TrainedCopies::Entry& copy : adapter.copies().entries()) {
      fail(fmt::format("{}, trained in full", copy.spec.tensor.name), "low-rank updates alone" + merged());
    }
    for (const auto& entry : adapter.tokens()) {
      fail(fmt::format("trained rows of {} (trainable_token_indices)", entry->module),
           "low-rank updates alone" + merged());
    }
    if (config_.other_vocabulary) {
      fail("another vocabulary than the model's", "the model's own" + merged());
    }
    for (const auto& entry : adapter.entries()) check_place(entry->module);
    for (const auto& entry : adapter.embeddings()) check_place(entry->module);
  }

 private:
  void check_place(const std::string& module) const {
    const ModuleNames& names = config_.names;
    if (!names.position_embedding.empty() && module == names.root + names.position_embedding) {
      fail(fmt::format("an update of {}", module), "none there, since llama.cpp passes over it" + merged());
    }
    if (!config_.tie_word_embeddings) return;
    if (module == names.head || module == names.root + names.embedding) {
      fail(fmt::format("an update of {}", module),
           "none there: the model ties head and embedding, which llama.cpp has as one tensor");
    }
  }

  static std::string merged() { return "; or a merged model (lorry merge), which can hold it"; }

  [[noreturn]] void fail(std::string_view found, std::string_view expected) const {
    throw Error("[export] {}: found {}; expected {}", adapter_, found, expected);
  }

  const ModelConfig& config_;
  std::string adapter_;
};

/// A pair of tensors as the file will have it.
struct GgufUpdate {
  std::string name;  // of the base's tensor: "blk.0.attn_q.weight"
  Matrix a;          // [R,I], of an embedding [V,R]
  Matrix b;          // [O,R]
  float scale = 1.0F;

  /// What alpha would have to be for this one.
  [[nodiscard]] float alpha() const { return scale * static_cast<float>(b.cols()); }
};

/// Rows of the file from [R,O], turned and in the file's order.
Matrix stored_rows(const Matrix& b_transposed, Index interleaved_head) {
  PackedMatrix order;
  order.interleaved_head = interleaved_head;
  Matrix b(b_transposed.cols(), b_transposed.rows());
  for (Index i = 0; i < b.rows(); ++i) {
    float* const row = b.row<float>(order.stored_row(i));
    for (Index j = 0; j < b.cols(); ++j) row[j] = b_transposed.row<float>(j)[i];
  }
  return b;
}

Matrix copy_of(const Matrix& from) {
  Matrix to(from.rows(), from.cols());
  std::copy_n(from.row<float>(0), from.size(), to.row<float>(0));
  return to;
}

std::vector<GgufUpdate> list_updates(const Adapter& adapter, const ModelConfig& config) {
  const std::vector<TensorSpec> specs = list_tensors(config);
  const auto spec_of = [&](const std::string& module) -> const TensorSpec& {
    const auto found = std::find_if(specs.begin(), specs.end(), [&](const TensorSpec& spec) {
      return spec.shape.size() == 2 && spec.module() == module;
    });
    LORRY_CHECK(found != specs.end());
    return *found;
  };
  std::vector<GgufUpdate> updates;
  for (const auto& entry : adapter.embeddings()) {
    const nn::EmbeddingUpdate& update = entry->update;
    updates.push_back({gguf_name(config, spec_of(entry->module)), copy_of(update.a_transposed),
                       stored_rows(update.b_transposed, 0), update.scale});
  }
  for (const auto& entry : adapter.entries()) {
    const nn::LowRankUpdate& update = entry->update;
    const TensorSpec& spec = spec_of(entry->module);
    updates.push_back({gguf_name(config, spec), copy_of(update.a),
                       stored_rows(update.b_transposed, gguf_interleaved_head(config, spec)), update.scale});
  }
  return updates;
}

/// Makes alpha / rank, which is all that llama.cpp multiplies by, the scale of every update. The number of
/// those that it was not.
Index fold_scales(std::vector<GgufUpdate>& updates, float alpha) {
  Index folded = 0;
  for (GgufUpdate& update : updates) {
    if (update.alpha() == alpha) continue;
    const double factor = static_cast<double>(update.scale) * static_cast<double>(update.b.cols()) / alpha;
    float* const values = update.b.row<float>(0);
    std::transform(values, values + update.b.size(), values,
                   [&](float value) { return static_cast<float>(value * factor); });
    ++folded;
  }
  return folded;
}

void write_matrix(const Matrix& matrix, const std::string& name, DType type, const std::string& file,
                  io::GgufWriter& writer) {
  const auto check = [&](float value) {
    if (std::isfinite(value)) return;
    throw Error("[export] {}: tensor {}: found a number too large for {}; expected {}", file,
                io::in_quotes(name), name_of(type), type == DType::kF16 ? "--type f32" : "smaller scales");
  };
  std::vector<F16> half(static_cast<std::size_t>(matrix.cols()));
  for (Index i = 0; i < matrix.rows(); ++i) {
    const std::span<const float> row = {matrix.row<float>(i), half.size()};
    if (type == DType::kF32) {
      std::for_each(row.begin(), row.end(), check);
      writer.write(name, std::as_bytes(row));
      continue;
    }
    std::transform(row.begin(), row.end(), half.begin(), to_f16);
    for (const F16 value : half) check(to_float(value));
    writer.write(name, std::as_bytes(std::span(half)));
  }
}

io::GgufPairs adapter_pairs(const GgufAdapterReport& report, DType type) {
  io::GgufPairs pairs;
  pairs.put_string("general.architecture", report.architecture);
  pairs.put_string("general.type", "adapter");
  pairs.put_u32("general.file_type", file_type_number(type));
  pairs.put_string("adapter.type", "lora");
  pairs.put_f32("adapter.lora.alpha", report.alpha);
  return pairs;
}

void write_updates(const std::vector<GgufUpdate>& updates, const std::filesystem::path& out, DType type,
                   GgufAdapterReport& report) {
  const io::GgmlType* const ggml = io::find_ggml_type(name_of(type));
  std::vector<io::GgufTensorSpec> specs;
  for (const GgufUpdate& update : updates) {
    specs.push_back({update.name + ".lora_a", ggml, {update.a.rows(), update.a.cols()}});
    specs.push_back({update.name + ".lora_b", ggml, {update.b.rows(), update.b.cols()}});
  }
  io::GgufWriter writer(out, adapter_pairs(report, type), std::move(specs));
  for (const GgufUpdate& update : updates) {
    write_matrix(update.a, update.name + ".lora_a", type, out.string(), writer);
    write_matrix(update.b, update.name + ".lora_b", type, out.string(), writer);
  }
  writer.finish();
  report.bytes = writer.file_bytes();
}

}  // namespace

GgufAdapterReport export_gguf_adapter(const std::filesystem::path& model,
                                      const std::filesystem::path& adapter, const std::filesystem::path& out,
                                      DType type) {
  LORRY_CHECK(type == DType::kF32 || type == DType::kF16);
  ModelConfig config = load_model_config(model);
  Weights weights = load_weights(model, config);
  const bool own_tokenizer = std::filesystem::exists(adapter / kTokenizerFile);
  const Index tokens = own_tokenizer ? open_tokenizer(model, adapter).tokenizer->vocab_size() : 0;
  fit_vocabulary(adapter, tokens, config, weights);
  const auto ops = ops::make_cpu_ops(1);
  Decoder decoder(*ops, config, weights, DType::kF32);
  const Adapter loaded = load_adapter(adapter, decoder, PartsAs::kStacked);
  GgufAdapterCheck(config, adapter.string()).check(loaded);
  std::vector<GgufUpdate> updates = list_updates(loaded, config);
  if (updates.empty()) throw Error("[export] {}: found no update; expected at least one", adapter.string());
  GgufAdapterReport report{.architecture = gguf_architecture(config),
                           .updates = static_cast<Index>(updates.size()),
                           .alpha = updates.front().alpha()};
  report.folded = fold_scales(updates, report.alpha);
  write_updates(updates, out, type, report);
  return report;
}

}  // namespace lorry::model
