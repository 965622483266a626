#include "model/quantize.hpp"

#include <algorithm>
#include <map>
#include <optional>

#include "core/error.hpp"
#include "io/atomic_folder.hpp"
#include "io/json_fields.hpp"
#include "model/copy_tensor.hpp"
#include "model/model_folder.hpp"
#include "model/on_threads.hpp"
#include "model/tensor_values.hpp"
#include "model/weights.hpp"

namespace lorry::model {

namespace {

constexpr Index kPiece = Index{8} << 20;  // bytes in float32 that a thread reads and quantises at once

/// What becomes of the tensors of a folder.
class Quantizer {
 public:
  Quantizer(const ModelConfig& config, const io::TensorFolder& folder, BnbFormat format, bool double_quant,
            Index threads, const std::optional<Index>& memory_budget,
            const std::function<void(Index, Index)>& progress)
      : folder_(folder),
        options_{.format = format, .double_quant = double_quant},
        transposed_(config.conv1d),
        threads_(thread_count(threads)),
        progress_(progress) {
    report_.bytes_before = folder.total_bytes();
    for (const TensorSpec& spec : list_tensors(config)) {
      if (is_quantizable(spec, config)) chosen_.emplace(find_tensor(folder, config, spec.name)->name, spec);
    }
    std::vector<PanelCost> costs;
    for (const auto& [name, spec] : chosen_) costs.push_back(cost_of(folder.at(name)));
    piece_bytes_ = panel_bytes_within("quantize", memory_budget, kPiece * threads_, costs, threads_);
  }

  /// Writes one shard; gives the sizes of its tensors by name.
  std::map<std::string, Index> write_file(const io::SafetensorsFile& file, const std::filesystem::path& to) {
    std::vector<io::TensorSpec> specs;
    for (const io::TensorView& tensor : file.tensors()) {
      if (!chosen_.contains(tensor.name)) {
        specs.push_back({tensor.name, tensor.dtype, tensor.shape});
        continue;
      }
      const auto [rows, cols] = sizes_of(tensor);
      for (io::TensorSpec& spec : bnb_specs(tensor.name, rows, cols, options_for(tensor))) {
        specs.push_back(std::move(spec));
      }
    }
    auto metadata = file.metadata();
    metadata.emplace("format", "pt");
    io::SafetensorsWriter writer(to, std::move(specs), metadata);
    for (const io::TensorView& tensor : file.tensors()) {
      if (chosen_.contains(tensor.name)) {
        write_quantized(tensor, file, writer);
      } else {
        copy_tensor(tensor, file, piece_bytes_, writer, [this](Index bytes) { advance(bytes); });
      }
    }
    std::map<std::string, Index> sizes;
    for (const io::TensorSpec& spec : writer.tensors()) {
      Index bytes = size_of(spec.dtype);
      for (const Index side : spec.shape) bytes *= side;
      sizes[spec.name] = bytes;
      report_.bytes_after += bytes;
    }
    writer.finish();
    return sizes;
  }

  [[nodiscard]] const QuantizeReport& report() const noexcept { return report_; }
  /// Those of the first matrix, for config.json.
  [[nodiscard]] BnbOptions options() const { return options_for(folder_.at(chosen_.begin()->first)); }

 private:
  [[nodiscard]] BnbOptions options_for(const io::TensorView& tensor) const {
    BnbOptions options = options_;
    options.dtype = tensor.dtype;
    return options;
  }

  /// Of the matrix as bitsandbytes stores it: [outputs, inputs] also where the file has Conv1D.
  [[nodiscard]] std::pair<Index, Index> sizes_of(const io::TensorView& tensor) const {
    const std::size_t rows = transposed_ ? 1 : 0;
    return {tensor.shape[rows], tensor.shape[1 - rows]};
  }

  /// A piece of its values, with what the writer makes of them; of a matrix that is turned every piece reads
  /// all rows.
  [[nodiscard]] PanelCost cost_of(const io::TensorView& tensor) const {
    const auto [rows, cols] = sizes_of(tensor);
    PanelCost cost = BnbWriter::cost(rows, cols, options_for(tensor));
    cost.element_bytes += size_of(DType::kF32) + (transposed_ ? 0 : size_of(tensor.dtype));
    cost.whole_bytes += transposed_ ? std::ssize(tensor.bytes) : 0;
    return cost;
  }

  /// Elements [first, first + to.size()) of that matrix.
  void read(const io::TensorView& tensor, Index first, std::span<float> to) const {
    if (!transposed_) return read_floats(tensor, first, to);
    const auto [rows, cols] = sizes_of(tensor);
    for (float& value : to) {
      read_floats(tensor, first % cols * rows + first / cols, {&value, 1});
      ++first;
    }
  }

  void write_quantized(const io::TensorView& tensor, const io::SafetensorsFile& file,
                       io::SafetensorsWriter& writer) {
    const auto [rows, cols] = sizes_of(tensor);
    const Index piece = panel_rows(rows, cols, 1, piece_bytes_) * cols;
    BnbWriter quantized(writer, tensor.name, rows, cols, options_for(tensor), threads_);
    for (Index first = 0; first < rows * cols; first += piece) {
      values_.resize(static_cast<std::size_t>(std::min(piece, rows * cols - first)));
      const Index count = std::ssize(values_);
      on_threads(threads_, [&](Index worker) {
        const Index begin = count * worker / threads_;
        const Index end = count * (worker + 1) / threads_;
        read(tensor, first + begin,
             std::span(values_).subspan(static_cast<std::size_t>(begin),
                                        static_cast<std::size_t>(end - begin)));
      });
      if (!quantized.add(values_)) {
        throw Error("[quantize] {}: tensor \"{}\": found a number that is not finite{}; expected finite ones",
                    file.path().string(), tensor.name,
                    options_.format == BnbFormat::kInt8 ? ", or too large for float16" : "");
      }
      // Pages that were read count as ours until they are dropped, and a model may be larger than the memory.
      if (!transposed_) file.mapping()->advise(io::MappedFile::Advice::kDontNeed);
      advance(count * size_of(tensor.dtype));
    }
    file.mapping()->advise(io::MappedFile::Advice::kDontNeed);
    const QuantLoss loss = quantized.finish();
    report_.loss.add(loss);
    ++report_.matrices;
    if (report_.worst.empty() || loss.relative() > report_.worst_loss) {
      report_.worst = tensor.name;
      report_.worst_loss = loss.relative();
    }
  }

  void advance(Index bytes) {
    done_ += bytes;
    if (progress_) progress_(done_, report_.bytes_before);
  }

  const io::TensorFolder& folder_;
  const BnbOptions options_;
  const bool transposed_;
  const Index threads_;
  const std::function<void(Index, Index)>& progress_;
  std::map<std::string, TensorSpec> chosen_;  // by the name that the file gives the tensor
  Index piece_bytes_ = 0;                     // of values in float32
  std::vector<float> values_;
  QuantizeReport report_;
  Index done_ = 0;  // bytes
};

/// config.json, if it has a model that can be quantised.
io::OrderedJson read_dense_config(const std::filesystem::path& model) {
  const std::filesystem::path path = model / "config.json";
  const io::Json json = io::read_json_file(path);
  if (json.is_object() && io::find_field(json, "quantization_config", path.string()) != nullptr) {
    throw Error(
        "[quantize] {}: field \"quantization_config\": found a model that is quantised already; expected one "
        "with "
        "plain weights",
        path.string());
  }
  return io::read_ordered_json_file(path);
}

}  // namespace

QuantizeReport quantize_model(const std::filesystem::path& model, const std::filesystem::path& out,
                              BnbFormat format, bool double_quant, Index threads,
                              const std::function<void(Index, Index)>& progress,
                              const std::optional<Index>& memory_budget) {
  io::AtomicFolder result(out);
  io::OrderedJson json = read_dense_config(model);
  const ModelConfig config = load_model_config(model);
  const Weights weights = load_weights(model, config);  // checked
  const io::TensorFolder& folder = *weights.folder();
  weights.release_pages();
  Quantizer quantizer(config, folder, format, double_quant, threads, memory_budget, progress);
  std::map<std::string, std::string> shard_of;
  for (const io::SafetensorsFile& file : folder.files()) {
    const std::filesystem::path name = file.path().filename();
    for (const auto& [tensor, bytes] : quantizer.write_file(file, result.path() / name))
      shard_of[tensor] = name.string();
  }
  copy_side_files(model, result.path());
  json["quantization_config"] = quantization_config(quantizer.options());
  io::write_json_file(result.path() / "config.json", json);
  if (folder.files().size() > 1 || folder.files().front().path().filename() != io::kModelFile) {
    write_index(result.path(), shard_of, quantizer.report().bytes_after);
  }
  result.commit();
  return quantizer.report();
}

}  // namespace lorry::model
