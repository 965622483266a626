#include "model/inspect.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "core/error.hpp"
#include "io/gguf.hpp"
#include "io/message_text.hpp"
#include "io/tensor_folder.hpp"
#include "model/adapter_check.hpp"
#include "model/fused_parts.hpp"
#include "model/module_ranks.hpp"
#include "model/part_records.hpp"
#include "model/peft_names.hpp"
#include "model/tensor_list.hpp"
#include "model/tensor_values.hpp"
#include "model/trained_copies.hpp"
#include "model/weights.hpp"

namespace lorry::model {

namespace {

/// "model.layers.3.mlp.up_proj.weight" as "mlp.up_proj"; names outside the blocks keep all but ".weight".
std::string group_name(const std::string& tensor, const ModelConfig& config) {
  std::string name = tensor.substr(0, tensor.rfind('.'));
  const std::string blocks = config.names.root + config.names.layers + ".";
  if (!name.starts_with(blocks)) return name;
  return name.substr(name.find('.', blocks.size()) + 1);
}

/// Counts the map if its name is known, else takes it in.
void add_to(std::vector<LinearGroup>& groups, LinearGroup one) {
  const auto found =
      std::find_if(groups.begin(), groups.end(), [&](const auto& group) { return group.name == one.name; });
  if (found == groups.end()) {
    groups.push_back(std::move(one));
  } else {
    found->count += one.count;
  }
}

void add_linear(const TensorSpec& spec, const ModelConfig& config, std::vector<LinearGroup>& groups) {
  const std::string name = group_name(spec.name, config);
  const bool transposed = config.conv1d && name != config.names.head;
  const Index inputs = transposed ? spec.rows() : spec.cols();
  const Index outputs = transposed ? spec.cols() : spec.rows();
  add_to(groups, {name, inputs, outputs, 1});
}

/// Of the matrix's rows [row, row + rows) and columns [col, col + cols).
double frobenius_norm(const io::TensorView& tensor, Index row, Index rows, Index col, Index cols) {
  std::vector<float> values(static_cast<std::size_t>(cols));
  double sum = 0;
  for (Index i = row; i < row + rows; ++i) {
    read_floats(tensor, i * tensor.shape[1] + col, values);
    for (const float value : values) sum += static_cast<double>(value) * static_cast<double>(value);
  }
  return std::sqrt(sum);
}

double frobenius_norm(const io::TensorView& tensor) {
  return frobenius_norm(tensor, 0, tensor.shape[0], 0, tensor.shape[1]);
}

/// The update of one part out of its map's.
AdapterModule part_of(const AdapterModule& map, const PartRecord& record, const io::SafetensorsFile& file) {
  const auto scale = static_cast<double>(record.scale);
  const double norm_b = frobenius_norm(file.at(peft_name(map.name, kLoraB)), record.first_output,
                                       record.outputs, record.first_rank, record.rank);
  return {.name = map.name + "." + record.name,
          .rank = record.rank,
          .scale = scale,
          .inputs = map.inputs,
          .outputs = record.outputs,
          .norm_a = frobenius_norm(file.at(peft_name(map.name, kLoraA)), record.first_rank, record.rank, 0,
                                   map.inputs),
          .norm_b = norm_b * map.scale / scale};
}

/// Whether a tensor that has a base tensor's name was trained, as far as the config tells.
bool is_trained_copy(const std::string& name, const std::string& module, const PeftConfig& config) {
  if (name.ends_with(".bias") && config.bias != BiasTraining::kNone) return true;
  return is_saved_module(config, module);
}

/// Whether the file holds the same trained rows under another module's name, which comes before.
bool repeats_an_earlier(const io::TensorView& tensor, const io::SafetensorsFile& file) {
  return std::any_of(file.tensors().begin(), file.tensors().end(), [&](const io::TensorView& other) {
    return other.bytes.data() < tensor.bytes.data() && module_of(other.name, kTokenRows) &&
           std::equal(other.bytes.begin(), other.bytes.end(), tensor.bytes.begin(), tensor.bytes.end());
  });
}

/// Takes lora_A or lora_B into its module.
void add_half(const io::TensorView& tensor, const io::SafetensorsFile& file,
              std::map<std::string, AdapterModule>& modules) {
  const auto refuse = [&](std::string_view what) {
    throw Error("[inspect] {}: tensor {}: {}", file.path().string(), io::in_quotes(tensor.name), what);
  };
  const auto a = module_of(tensor.name, kLoraA);
  const auto b = module_of(tensor.name, kLoraB);
  if (!a && !b) refuse("found no lora_A or lora_B of a linear layer");
  if (tensor.shape.size() != 2) refuse("found no matrix");
  if (!is_float_tensor(tensor)) {
    refuse(fmt::format("found type {}; supported: F32, F16, BF16", name_of(tensor.dtype)));
  }
  AdapterModule& module = modules[a ? *a : *b];
  module.name = a ? *a : *b;
  if (a) {
    module.rank = tensor.shape[0];
    module.inputs = tensor.shape[1];
    module.norm_a = frobenius_norm(tensor);
  } else {
    module.outputs = tensor.shape[0];
    module.norm_b = frobenius_norm(tensor);
  }
}

/// Files, bytes and types.
void count_files(const std::filesystem::path& path, const Weights& weights, ModelSummary& summary) {
  if (io::is_gguf_path(path)) {
    const io::GgufModel model(path);
    summary.files = std::ssize(model.files());
    for (const auto& [name, tensor] : model.tensors()) {
      summary.bytes += std::ssize(tensor->bytes);
      summary.dtypes[std::string(tensor->type->name)] += tensor->elements();
    }
    return;
  }
  const io::TensorFolder& tensors = *weights.folder();
  summary.files = std::ssize(tensors.files());
  summary.bytes = tensors.total_bytes();
  for (const TensorSpec& spec : list_tensors(summary.config)) {
    const io::TensorView& tensor = *find_tensor(tensors, summary.config, spec.name);
    const WeightView weight = weights.at(spec.name);
    const std::string_view type = weight.is_packed() ? weight.type_name() : name_of(tensor.dtype);
    summary.dtypes[std::string(type)] += spec.rows() * spec.cols();
  }
}

}  // namespace

Index ModelSummary::adapter_parameters(Index rank) const {
  Index sum = 0;
  for (const LinearGroup& group : linears) {
    if (group.name != config.names.head) sum += group.count * rank * (group.inputs + group.outputs);
  }
  return sum;
}

ModelSummary inspect_model(const std::filesystem::path& folder) {
  ModelSummary summary{.config = load_model_config(folder)};
  const Weights weights = load_weights(folder, summary.config);  // checked
  count_files(folder, weights, summary);
  for (const TensorSpec& spec : list_tensors(summary.config)) {
    const Index elements = spec.rows() * spec.cols();
    if (spec.kind == TensorKind::kEmbedding) {
      summary.embedding_parameters += elements;
    } else if (spec.kind == TensorKind::kLinear) {
      summary.linear_parameters += elements;
      add_linear(spec, summary.config, summary.linears);
    } else {
      summary.small_parameters += elements;
    }
  }
  for (const FusedPart& part : fused_parts(summary.config)) {
    add_to(summary.parts, {.name = group_name(part.module() + ".weight", summary.config),
                           .inputs = summary.config.hidden_size,
                           .outputs = part.outputs,
                           .count = 1});
  }
  return summary;
}

AdapterSummary inspect_adapter(const std::filesystem::path& folder) {
  AdapterSummary summary{.config = load_peft_config(folder)};
  const io::SafetensorsFile file(folder / kAdapterWeightsFile);
  std::map<std::string, AdapterModule> modules;
  for (const io::TensorView& tensor : file.tensors()) {
    summary.bytes += static_cast<Index>(tensor.bytes.size());
    if (is_stray_copy(tensor.name)) continue;
    if (const std::optional<std::string> module = base_module_of(tensor.name)) {
      const bool trained = is_trained_copy(tensor.name, *module, summary.config);
      ++(trained ? summary.copies : summary.base_weights);
      if (trained) summary.parameters += tensor.elements();
      continue;
    }
    if (module_of(tensor.name, kTokenRows)) {
      if (repeats_an_earlier(tensor, file)) continue;  // a tied head's
      if (tensor.shape.size() == 2) summary.token_rows += tensor.shape[0];
      summary.parameters += tensor.elements();
      continue;
    }
    if (module_of(tensor.name, kLoraBBias) || embedding_module_of(tensor.name)) {
      summary.embedding_halves += embedding_module_of(tensor.name) ? 1 : 0;
      summary.parameters += tensor.elements();
      continue;
    }
    if (summary.config.use_dora && module_of(tensor.name, kMagnitude)) {
      summary.parameters += tensor.elements();
      continue;
    }
    add_half(tensor, file, modules);
  }
  const PartRecords parts = read_part_records(file);
  const ModuleRanks ranks(summary.config, "[inspect] " + (folder / kAdapterConfigFile).string() + ": field");
  for (auto& [name, module] : modules) {
    const std::string where = fmt::format("{}: module {}", file.path().string(), io::in_quotes(name));
    module.scale = ranks.exact_scale(name);
    if (module.inputs == 0 || module.outputs == 0) {
      throw Error("[inspect] {}: found one of lora_A and lora_B; expected both", where);
    }
    const Index rank_of_b = file.at(peft_name(name, kLoraB)).shape[1];
    if (rank_of_b != module.rank) {
      throw Error("[inspect] {}: found lora_A of rank {} and lora_B of rank {}; expected one rank", where,
                  module.rank, rank_of_b);
    }
    const auto of_map = parts.find(name);
    if (of_map == parts.end()) {
      summary.modules.push_back(std::move(module));
      continue;
    }
    for (const PartRecord& part : of_map->second) summary.modules.push_back(part_of(module, part, file));
  }
  for (const AdapterModule& module : summary.modules) {
    summary.parameters += module.rank * (module.inputs + module.outputs);
  }
  return summary;
}

}  // namespace lorry::model
