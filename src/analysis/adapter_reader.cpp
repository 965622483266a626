#include "analysis/adapter_reader.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "core/error.hpp"
#include "io/message_text.hpp"
#include "io/safetensors.hpp"
#include "model/adapter_check.hpp"
#include "model/module_ranks.hpp"
#include "model/peft_names.hpp"
#include "model/tensor_values.hpp"

namespace lorry::analysis {

namespace {

/// Both halves of one module; views into the mapped file.
struct Halves {
  const io::TensorView* a = nullptr;  // [R,I]
  const io::TensorView* b = nullptr;  // [O,R]
};

/// A module that the file holds inside another one's tensors.
struct PartPlace {
  std::string map;
  model::PartRecord record;
};

/// Rows [row, row + rows) and columns [col, col + cols).
Grid range_of(const Grid& grid, Index row, Index rows, Index col, Index cols) {
  Grid range(rows, cols);
  for (Index i = 0; i < rows; ++i) {
    const auto from = grid.values.begin() + (row + i) * grid.cols + col;
    std::copy(from, from + cols, range.values.begin() + i * cols);
  }
  return range;
}

/// The whole tensor in float64.
Grid read_grid(const io::TensorView& tensor, const std::string& file) {
  Grid grid(tensor.shape[0], tensor.shape[1]);
  std::vector<float> row(static_cast<std::size_t>(grid.cols));
  for (Index i = 0; i < grid.rows; ++i) {
    model::read_floats(tensor, i * grid.cols, row);
    if (!std::all_of(row.begin(), row.end(), [](float value) { return std::isfinite(value); })) {
      throw Error(
          "[load] {}: tensor {}: found NaN or infinity in row {}; expected finite numbers: did training "
          "diverge?",
          file, io::in_quotes(tensor.name), i);
    }
    std::copy(row.begin(), row.end(), grid.values.begin() + i * grid.cols);
  }
  return grid;
}

/// DoRA stretches every row of W + B A, so what it changes is of full rank and cannot be told without W.
model::PeftConfig plain_config(const std::filesystem::path& folder) {
  model::PeftConfig config = model::load_peft_config(folder);
  if (!config.use_dora) return config;
  throw Error(
      "[load] {}: field \"use_dora\": found true; expected an adapter whose change has low rank: what DoRA "
      "changes depends on the base (lorry merge makes a model of it, which can be analysed beside its base)",
      (folder / model::kAdapterConfigFile).string());
}

class AdapterUpdates : public UpdateSource {
 public:
  AdapterUpdates(const std::filesystem::path& folder, model::PartsAs parts)
      : folder_(folder),
        config_(plain_config(folder)),
        where_(fmt::format("[load] {}: field", (folder / model::kAdapterConfigFile).string())),
        ranks_(config_, where_),
        file_(weights_of(folder)) {
    model::check_beside_tensors(config_, file_, where_);
    if (parts == model::PartsAs::kSeparate) records_ = model::read_part_records(file_);
    std::map<std::string, Halves> halves;
    for (const io::TensorView& tensor : file_.tensors()) add(tensor, halves);
    for (const auto& [module, pair] : halves) add(module, pair);
    model::check_selection(config_, file_, where_);
    model::check_beside_values(file_);
    file_.mapping()->advise(io::MappedFile::Advice::kDontNeed);
    if (infos_.empty()) {
      throw Error("[load] {}: found no lora_A and lora_B of a linear layer; expected at least one", path());
    }
    std::sort(infos_.begin(), infos_.end(),
              [](const UpdateInfo& x, const UpdateInfo& y) { return module_less(x.module, y.module); });
  }

  [[nodiscard]] std::string description() const override { return folder_.string(); }
  [[nodiscard]] const std::vector<UpdateInfo>& modules() const override { return infos_; }

  [[nodiscard]] Update read(Index index) const override {
    const UpdateInfo& info = infos_[static_cast<std::size_t>(index)];
    const PartPlace* const part = part_of(info);
    const std::string& map = part == nullptr ? info.module : part->map;
    Update update{.info = info};
    update.a = read_grid(a_of(map), path());
    update.b = read_grid(b_of(map), path());
    file_.mapping()->advise(io::MappedFile::Advice::kDontNeed);
    if (part != nullptr) cut(*part, update);
    return update;
  }

  [[nodiscard]] Index reading_bytes(Index index) const override {
    const UpdateInfo& info = infos_[static_cast<std::size_t>(index)];
    const PartPlace* const part = part_of(info);
    const std::string& map = part == nullptr ? info.module : part->map;
    const io::TensorView& a = a_of(map);
    const io::TensorView& b = b_of(map);
    const auto mapped = static_cast<Index>(a.bytes.size() + b.bytes.size());
    Index numbers = a.elements() + b.elements();
    // Of a part the whole map is read, then its ranks are taken of both, then its outputs.
    if (part != nullptr) numbers += info.rank * (info.inputs + b.shape[0] + info.outputs);
    return mapped + numbers * static_cast<Index>(sizeof(double));
  }

 private:
  /// Where it lies if it is a part of a fused map, whose tensors the file has; else nullptr.
  [[nodiscard]] const PartPlace* part_of(const UpdateInfo& info) const {
    const auto found = parts_.find(info.module);
    return found == parts_.end() ? nullptr : &found->second;
  }
  [[nodiscard]] const io::TensorView& a_of(const std::string& map) const {
    return file_.at(model::peft_name(map, model::kLoraA));
  }
  [[nodiscard]] const io::TensorView& b_of(const std::string& map) const {
    return file_.at(model::peft_name(map, model::kLoraB));
  }

  static std::filesystem::path weights_of(const std::filesystem::path& folder) {
    std::filesystem::path path = folder / model::kAdapterWeightsFile;
    if (!std::filesystem::exists(path)) {
      throw Error("[load] {}: {} is missing; expected beside {}", folder.string(), model::kAdapterWeightsFile,
                  model::kAdapterConfigFile);
    }
    return path;
  }

  [[nodiscard]] std::string path() const { return file_.path().string(); }

  /// Sorts a tensor of the file to its module.
  void add(const io::TensorView& tensor, std::map<std::string, Halves>& halves) const {
    const auto a = model::module_of(tensor.name, model::kLoraA);
    const auto b = model::module_of(tensor.name, model::kLoraB);
    // PEFT stores the base weights of an adapted head or embedding beside the update, and what trained in
    // full; they are no part of ΔW.
    if (model::base_module_of(tensor.name) || model::module_of(tensor.name, model::kLoraBBias)) return;
    if (model::embedding_module_of(tensor.name)) return;  // no map of inputs to outputs
    if (model::module_of(tensor.name, model::kTokenRows)) return;
    if (!a && !b) {
      throw Error("[load] {}: tensor {}: found no lora_A or lora_B of a linear layer; expected names like {}",
                  path(), io::in_quotes(tensor.name),
                  io::in_quotes(model::peft_name("<module>", model::kLoraA)));
    }
    if (!model::is_float_tensor(tensor)) {
      throw Error("[load] {}: tensor {}: found type {}; supported: F32, F16, BF16", path(),
                  io::in_quotes(tensor.name), name_of(tensor.dtype));
    }
    if (tensor.shape.size() != 2 || tensor.elements() == 0) {
      throw Error("[load] {}: tensor {}: found shape [{}]; expected a matrix", path(),
                  io::in_quotes(tensor.name), fmt::join(tensor.shape, ","));
    }
    (a ? halves[*a].a : halves[*b].b) = &tensor;
  }

  void add(const std::string& module, const Halves& pair) {
    if (pair.a == nullptr || pair.b == nullptr) {
      throw Error("[load] {}: module {}: found one of lora_A and lora_B; expected both", path(),
                  io::in_quotes(module));
    }
    const Index rank = pair.a->shape[0];
    if (pair.b->shape[1] != rank) {
      throw Error("[load] {}: module {}: found lora_A [{}] and lora_B [{}]; expected equal ranks", path(),
                  io::in_quotes(module), fmt::join(pair.a->shape, ","), fmt::join(pair.b->shape, ","));
    }
    if (rank != ranks_.rank(module)) {
      throw Error("[load] {}: module {}: found rank {}; {} says {}", path(), io::in_quotes(module), rank,
                  model::kAdapterConfigFile, ranks_.rank(module));
    }
    const UpdateInfo info = {.module = module,
                             .outputs = pair.b->shape[0],
                             .inputs = pair.a->shape[1],
                             .rank = rank,
                             .scale = ranks_.exact_scale(module)};
    const auto records = records_.find(module);
    if (records == records_.end()) {
      infos_.push_back(info);
      return;
    }
    for (const model::PartRecord& record : records->second) {
      UpdateInfo& part = infos_.emplace_back(info);
      part.module = module + "." + record.name;
      part.outputs = record.outputs;
      part.rank = record.rank;
      parts_[part.module] = {module, record};
    }
  }

  /// Leaves a part's own ranks and outputs of its map's update; the scale is the map's, as B has it.
  void cut(const PartPlace& part, Update& update) const {
    const model::PartRecord& record = part.record;
    update.a = range_of(update.a, record.first_rank, record.rank, 0, update.a.cols);
    Grid ranks = range_of(update.b, 0, update.b.rows, record.first_rank, record.rank);
    update.b = range_of(ranks, record.first_output, record.outputs, 0, record.rank);
    const auto own = ranks.values.begin() + record.first_output * record.rank;
    std::fill(own, own + record.outputs * record.rank, 0.0);
    if (std::all_of(ranks.values.begin(), ranks.values.end(), [](double value) { return value == 0.0; })) {
      return;
    }
    throw Error(
        "[load] {}: lora_B of {} is not zero outside of part {}; expected zeros: changed by another program?",
        path(), io::in_quotes(part.map), io::in_quotes(record.name));
  }

  std::filesystem::path folder_;
  model::PeftConfig config_;
  std::string where_;  // of messages about the config
  model::ModuleRanks ranks_;
  io::SafetensorsFile file_;
  model::PartRecords records_;  // empty where parts are asked for stacked
  std::map<std::string, PartPlace> parts_;
  std::vector<UpdateInfo> infos_;
};

}  // namespace

std::unique_ptr<UpdateSource> open_adapter(const std::filesystem::path& folder, model::PartsAs parts) {
  return std::make_unique<AdapterUpdates>(folder, parts);
}

}  // namespace lorry::analysis
