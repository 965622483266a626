#include "model/inspect.hpp"

#include <cmath>
#include <optional>

#include "core/error.hpp"
#include "io/message_text.hpp"
#include "io/tensor_folder.hpp"
#include "model/module_ranks.hpp"
#include "model/peft_names.hpp"
#include "model/tensor_list.hpp"
#include "model/tensor_values.hpp"
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

void add_linear(const TensorSpec& spec, const ModelConfig& config, std::vector<LinearGroup>& groups) {
  const std::string name = group_name(spec.name, config);
  const bool transposed = config.conv1d && name != config.names.head;
  const Index inputs = transposed ? spec.rows() : spec.cols();
  const Index outputs = transposed ? spec.cols() : spec.rows();
  for (LinearGroup& group : groups) {
    if (group.name != name) continue;
    ++group.count;
    return;
  }
  groups.push_back({name, inputs, outputs, 1});
}

double frobenius_norm(const io::TensorView& tensor) {
  std::vector<float> values(static_cast<std::size_t>(tensor.elements()));
  read_floats(tensor, 0, values);
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value) * static_cast<double>(value);
  return std::sqrt(sum);
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
  load_weights(folder, summary.config);  // for its checks
  const io::TensorFolder tensors(folder);
  summary.files = static_cast<Index>(tensors.files().size());
  summary.bytes = tensors.total_bytes();
  for (const std::string& name : tensors.names()) {
    const io::TensorView& tensor = tensors.at(name);
    summary.dtypes[std::string(name_of(tensor.dtype))] += tensor.elements();
  }
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
  return summary;
}

AdapterSummary inspect_adapter(const std::filesystem::path& folder) {
  AdapterSummary summary{.config = load_peft_config(folder)};
  const io::SafetensorsFile file(folder / kAdapterWeightsFile);
  std::map<std::string, AdapterModule> modules;
  for (const io::TensorView& tensor : file.tensors()) {
    summary.bytes += static_cast<Index>(tensor.bytes.size());
    if (base_module_of(tensor.name)) {
      ++summary.base_weights;
      continue;
    }
    add_half(tensor, file, modules);
    summary.parameters += tensor.elements();
  }
  const ModuleRanks ranks(summary.config, "[inspect] " + (folder / kAdapterConfigFile).string() + ": field");
  for (auto& [name, module] : modules) {
    const std::string where = fmt::format("{}: module {}", file.path().string(), io::in_quotes(name));
    module.scale = ranks.alpha(name) / static_cast<double>(ranks.rank(name));
    if (module.inputs == 0 || module.outputs == 0) {
      throw Error("[inspect] {}: found one of lora_A and lora_B; expected both", where);
    }
    const Index rank_of_b = file.at(peft_name(name, kLoraB)).shape[1];
    if (rank_of_b != module.rank) {
      throw Error("[inspect] {}: found lora_A of rank {} and lora_B of rank {}; expected one rank", where,
                  module.rank, rank_of_b);
    }
    summary.modules.push_back(std::move(module));
  }
  return summary;
}

}  // namespace lorry::model
