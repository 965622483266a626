// The safetensors files of a merged Hugging Face folder.
#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <set>
#include <unordered_map>

#include "core/error.hpp"
#include "io/safetensors_writer.hpp"
#include "io/text_file.hpp"
#include "model/bnb_weights.hpp"
#include "model/bnb_writer.hpp"
#include "model/copy_tensor.hpp"
#include "model/merge_panels.hpp"
#include "model/merge_writers.hpp"
#include "model/model_folder.hpp"
#include "model/on_threads.hpp"

namespace lorry::model {

namespace {

Index spec_bytes(const io::TensorSpec& spec) {
  return std::accumulate(spec.shape.begin(), spec.shape.end(), size_of(spec.dtype), std::multiplies<>());
}

/// What becomes of one tensor that is not copied.
struct Plan {
  const MergeTarget* target;
  WeightView base;                         // as the model has it
  std::vector<io::TensorSpec> specs = {};  // the first is of its name
  std::optional<BnbOptions> bnb = {};      // quantised so; else plain numbers
  bool turned = false;                     // stored transposed
  bool adapted = true;
};

/// Writes the files of one merge.
class ShardMerger {
 public:
  explicit ShardMerger(const MergeInputs& inputs)
      : in_(inputs), folder_(*inputs.weights.folder()), threads_(thread_count(inputs.options.threads)) {
    for (const TensorSpec& spec : list_tensors(in_.config)) plan(spec);
    find_replaced();
    for (const io::SafetensorsFile& file : folder_.files()) {
      for (const io::TensorSpec& spec : specs_of(file)) report_.bytes += spec_bytes(spec);
    }
    std::vector<PanelCost> costs;
    for (const auto& [name, plan] : plans_) costs.push_back(cost_of(plan));
    panel_bytes_ = panel_bytes_within("merge", in_.options.memory_budget, kMergePanel, costs, threads_);
  }

  MergeReport write(const std::filesystem::path& to) {
    std::map<std::string, std::string> file_of;
    for (const io::SafetensorsFile& file : folder_.files()) {
      const std::string name = file.path().filename().string();
      for (const io::TensorSpec& spec : specs_of(file)) file_of[spec.name] = name;
      write_file(file, to / name);
    }
    if (folder_.files().size() > 1 || folder_.files().front().path().filename() != io::kModelFile) {
      if (changes_list_) {
        write_index(to, file_of, report_.bytes);
      } else {
        io::write_text_file(to / io::kModelIndexFile,
                            io::read_text_file(folder_.path() / io::kModelIndexFile));
      }
    }
    return std::move(report_);
  }

 private:
  void plan(const TensorSpec& spec) {
    const io::TensorView& tensor = *find_tensor(folder_, in_.config, spec.name);
    const WeightView base = in_.weights.at(spec.name);
    const auto found = in_.targets.find(spec.name);
    const bool adapted = found != in_.targets.end();
    Plan made{.target = adapted ? &found->second : &as_it_is_, .base = base};
    // A table may have got another size and no other change.
    made.adapted = adapted && (found->second.values.empty() || found->second.values.data != base.dense.data);
    const MergeOptions& options = in_.options;
    if (base.is_packed() && options.dequantize) {
      made.turned = in_.config.model_type == "gpt2";
      made.specs = {{tensor.name, DType::kBF16, turned_shape(spec.shape, made.turned)}};
    } else if (base.is_packed() && adapted) {
      made.bnb = bnb_options_of(folder_, tensor, *base.packed);
      made.specs = bnb_specs(tensor.name, spec.rows(), spec.cols(), *made.bnb);
      made.specs.front() = {tensor.name, tensor.dtype, tensor.shape};  // its storage may be another type
    } else if (options.quantize && is_quantizable(spec, in_.config)) {
      made.turned = in_.config.conv1d;
      made.bnb = options.quantize;
      made.bnb->dtype = tensor.dtype;
      const auto shape = turned_shape(spec.shape, made.turned);
      made.specs = bnb_specs(tensor.name, shape[0], shape[1], *made.bnb);
    } else if (adapted) {
      // Of the config's shape: tables may have another number of tokens than the folder's.
      made.specs = {{tensor.name, tensor.dtype, spec.shape}};
    } else {
      return;
    }
    changes_list_ = changes_list_ || made.bnb || made.specs.front().dtype != tensor.dtype ||
                    made.specs.front().shape != tensor.shape;
    plans_.emplace(tensor.name, std::move(made));
  }

  /// What its panels, their bytes as they will be written and the sums over rows take.
  [[nodiscard]] PanelCost cost_of(const Plan& plan) const {
    PanelCost cost = MergePanels(*plan.target, plan.base, plan.turned, in_.ops).cost();
    if (plan.bnb) {
      cost += BnbWriter::cost(cost.rows, cost.cols, *plan.bnb);
    } else {
      cost.element_bytes += size_of(plan.specs.front().dtype) + (plan.adapted ? size_of(DType::kF32) : 0);
      cost.row_bytes += static_cast<Index>(sizeof(QuantLoss));
    }
    return cost;
  }

  static std::vector<Index> turned_shape(std::vector<Index> shape, bool turned) {
    if (turned) std::reverse(shape.begin(), shape.end());
    return shape;
  }

  /// What stands in the folder beside quantised matrices that are written anew: nothing of it is copied.
  void find_replaced() {
    const auto is_packed = [&](const std::string& matrix) {
      const auto found = plans_.find(matrix);
      return found != plans_.end() && found->second.base.is_packed();
    };
    for (const std::string& name : folder_.names()) {
      if (is_packed(name)) continue;
      std::string matrix = name.substr(0, name.rfind('.')) + ".weight";
      if (const std::size_t weight = name.find(".weight."); weight != std::string::npos) {
        matrix = name.substr(0, weight) + ".weight";
      } else if (!name.ends_with(kRowScalesEnding) && !name.ends_with(kWeightFormatEnding)) {
        continue;
      }
      if (is_packed(matrix)) replaced_.insert(name);
    }
  }

  /// The tensors of a shard as they will be.
  [[nodiscard]] std::vector<io::TensorSpec> specs_of(const io::SafetensorsFile& file) const {
    std::vector<io::TensorSpec> specs;
    for (const io::TensorView& tensor : file.tensors()) {
      if (replaced_.contains(tensor.name)) continue;
      if (const auto found = plans_.find(tensor.name); found != plans_.end()) {
        specs.insert(specs.end(), found->second.specs.begin(), found->second.specs.end());
      } else {
        specs.push_back({tensor.name, tensor.dtype, tensor.shape});
      }
    }
    return specs;
  }

  /// One shard, with its metadata.
  void write_file(const io::SafetensorsFile& file, const std::filesystem::path& to) {
    auto metadata = file.metadata();
    metadata.emplace("format", "pt");
    io::SafetensorsWriter writer(to, specs_of(file), metadata);
    for (const io::TensorSpec& spec : writer.tensors()) {
      const io::TensorView* const tensor = file.find(spec.name);
      if (const auto found = plans_.find(spec.name); found != plans_.end()) {
        write_merged(found->second, *tensor, file, writer);
      } else if (tensor != nullptr && !replaced_.contains(spec.name)) {
        copy_tensor(*tensor, file, panel_bytes_, writer, [this](Index bytes) { advance(bytes); });
      }  // else a part of a quantised matrix, written with it
    }
    writer.finish();
  }

  void write_merged(const Plan& plan, const io::TensorView& tensor, const io::SafetensorsFile& file,
                    io::SafetensorsWriter& writer) {
    MergePanels panels(*plan.target, plan.base, plan.turned, in_.ops);
    const Index bytes_at_end =
        done_ + std::accumulate(plan.specs.begin(), plan.specs.end(), Index{0},
                                [](Index sum, const io::TensorSpec& spec) { return sum + spec_bytes(spec); });
    const Index row_bytes = spec_bytes(plan.specs.front()) / panels.rows();
    const std::string_view type = type_of(plan);
    std::optional<BnbWriter> quantized;
    if (plan.bnb) quantized.emplace(writer, tensor.name, panels.rows(), panels.cols(), *plan.bnb, threads_);
    QuantLoss loss;
    const Index rows_at_once = panel_rows(panels.rows(), panels.cols(), 1, panel_bytes_);
    for (Index first = 0; first < panels.rows(); first += rows_at_once) {
      const Index n = std::min(rows_at_once, panels.rows() - first);
      panels.form(first, n);
      if (quantized) {
        check_merged(quantized->add(floats_of(panels.values()), floats_of(panels.update())), file.path(),
                     tensor.name, type);
      } else {
        write_rounded(panels, plan, file, writer, loss);
      }
      if (!plan.turned)
        in_.weights.release_pages();  // all, since others are mapped around those that are read
      advance(n * row_bytes);
    }
    in_.weights.release_pages();
    if (quantized) loss = quantized->finish();
    advance(bytes_at_end - done_);
    if (!plan.adapted) return;
    report_.adapted.push_back({tensor.name, std::string(type), loss});
    report_.loss.add(loss);
  }

  [[nodiscard]] static std::string_view type_of(const Plan& plan) {
    if (!plan.bnb) return name_of(plan.specs.front().dtype);
    return facts_of(plan.bnb->format == BnbFormat::kNf4 ? BlockFormat::kNf4 : BlockFormat::kInt8).name;
  }

  static std::span<const float> floats_of(ConstMatrixView matrix) {
    if (matrix.empty()) return {};
    return {matrix.row<float>(0), static_cast<std::size_t>(matrix.rows * matrix.cols)};
  }

  void write_rounded(const MergePanels& panels, const Plan& plan, const io::SafetensorsFile& file,
                     io::SafetensorsWriter& writer, QuantLoss& loss) {
    const io::TensorSpec& spec = plan.specs.front();
    const Matrix& values = panels.values();
    rounded_.reshape(values.rows(), values.cols(), spec.dtype);
    in_.ops.copy(values.view(), rounded_);
    // As stored: a sum may be too large for F16 alone.
    check_merged(std::isfinite(in_.ops.sum_of_squares(rounded_)), file.path(), spec.name,
                 name_of(spec.dtype));
    writer.write(spec.name, {rounded_.view().data, static_cast<std::size_t>(rounded_.bytes())});
    if (!plan.adapted) return;
    written_.reshape(values.rows(), values.cols(), DType::kF32);
    in_.ops.copy(rounded_.view(), written_);
    add_loss(values, written_, panels.update(), threads_, loss);
  }

  void advance(Index bytes) {
    done_ += bytes;
    if (in_.progress) in_.progress(done_, report_.bytes);
  }

  const MergeInputs& in_;
  const io::TensorFolder& folder_;
  const Index threads_;
  const MergeTarget as_it_is_ = {};              // of matrices that are written in another type alone
  std::unordered_map<std::string, Plan> plans_;  // by the name that the file gives the tensor
  std::set<std::string> replaced_;
  bool changes_list_ = false;  // of tensors and their sizes
  Index panel_bytes_ = 0;      // in float32
  MergeReport report_;
  Index done_ = 0;  // bytes
  Matrix rounded_;  // [n, columns] as stored
  Matrix written_;  // the same in F32
};

}  // namespace

void check_merged(bool finite, const std::filesystem::path& file, const std::string& name,
                  std::string_view type) {
  if (finite) return;
  throw Error(
      "[merge] {}: tensor \"{}\": found NaN or infinity in the sum; expected numbers that {} holds; wrong "
      "adapter, or did its training diverge?",
      file.string(), name, type);
}

MergeReport write_merged_shards(const MergeInputs& inputs, const std::filesystem::path& to) {
  return ShardMerger(inputs).write(to);
}

}  // namespace lorry::model
