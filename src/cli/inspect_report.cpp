#include "cli/inspect_report.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/lora_options.hpp"
#include "core/clock.hpp"
#include "model/base_model.hpp"

namespace lorry::cli {

namespace {

constexpr Index kExampleRank = 8;          // of the adapter whose memory is told
constexpr Index kBytesPerTrained = 4 * 4;  // value, gradient and two moments, each F32

std::string line(std::string_view name, std::string_view value) {
  return fmt::format("{:<14}{}\n", name, value);
}

std::string targets_text(const model::TargetModules& targets) {
  return targets.pattern.empty() ? fmt::format("{}", fmt::join(targets.names, ", ")) : targets.pattern;
}

io::OrderedJson targets_json(const model::TargetModules& targets) {
  return targets.pattern.empty() ? io::OrderedJson(targets.names) : io::OrderedJson(targets.pattern);
}

/// "q_proj: 4, o_proj: 2"
template <class T>
std::string pattern_text(const model::ModulePattern<T>& pattern) {
  std::string text;
  for (const auto& [key, value] : pattern)
    text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", key, value);
  return text;
}

template <class T>
io::OrderedJson pattern_json(const model::ModulePattern<T>& pattern) {
  io::OrderedJson json = io::OrderedJson::object();
  for (const auto& [key, value] : pattern) json[key] = value;
  return json;
}

std::string sizes_text(const model::ModelConfig& config) {
  return fmt::format("{} layers, hidden {}, intermediate {}, {} heads of {}, {} key/value heads",
                     config.num_hidden_layers, config.hidden_size, config.intermediate_size,
                     config.num_attention_heads, config.head_dim, config.num_key_value_heads);
}

}  // namespace

std::string model_text(const std::filesystem::path& path, const model::ModelSummary& summary) {
  const model::ModelConfig& config = summary.config;
  std::string types;
  for (const auto& [name, elements] : summary.dtypes) {
    types += fmt::format("{}{} {}", types.empty() ? "" : ", ", elements, name);
  }
  const Index adapter = summary.adapter_parameters(kExampleRank);
  std::string text = line("model", path.string());
  text += line("family", config.model_type);
  text += line("sizes", sizes_text(config));
  text += line("vocabulary", fmt::format("{} tokens{}", config.vocab_size,
                                         config.tie_word_embeddings ? ", head tied to the embedding" : ""));
  text += line("positions", fmt::format("{}", config.max_position_embeddings));
  text += line("parameters", fmt::format("{}: {} in linear layers, {} in embeddings, {} in norms and biases",
                                         summary.parameters(), summary.linear_parameters,
                                         summary.embedding_parameters, summary.small_parameters));
  text += line("weights", fmt::format("{} in {} file{} ({}), used in place", format_bytes(summary.bytes),
                                      summary.files, summary.files == 1 ? "" : "s", types));
  text +=
      line("LoRA, rank 8", fmt::format("{} parameters on all linear layers but the head, {} to train them",
                                       adapter, format_bytes(adapter * kBytesPerTrained)));
  text += "\nlinear layers, for --target-modules (inputs x outputs, how many):\n";
  const auto list = [&](const std::vector<model::LinearGroup>& groups) {
    for (const model::LinearGroup& group : groups) {
      text += fmt::format("  {:<24}{} x {}, {}\n", group.name, group.inputs, group.outputs, group.count);
    }
  };
  list(summary.linears);
  if (!summary.parts.empty()) text += "parts of fused layers, which can be adapted apart:\n";
  list(summary.parts);
  return text;
}

io::OrderedJson model_json(const std::filesystem::path& path, const model::ModelSummary& summary) {
  const model::ModelConfig& config = summary.config;
  const auto list = [](const std::vector<model::LinearGroup>& groups) {
    io::OrderedJson items = io::OrderedJson::array();
    for (const model::LinearGroup& group : groups) {
      items.push_back({{"name", group.name},
                       {"inputs", group.inputs},
                       {"outputs", group.outputs},
                       {"count", group.count}});
    }
    return items;
  };
  return {{"kind", "model"},
          {"path", path.string()},
          {"model_type", config.model_type},
          {"num_hidden_layers", config.num_hidden_layers},
          {"hidden_size", config.hidden_size},
          {"intermediate_size", config.intermediate_size},
          {"num_attention_heads", config.num_attention_heads},
          {"num_key_value_heads", config.num_key_value_heads},
          {"head_dim", config.head_dim},
          {"vocab_size", config.vocab_size},
          {"max_position_embeddings", config.max_position_embeddings},
          {"tie_word_embeddings", config.tie_word_embeddings},
          {"parameters", summary.parameters()},
          {"linear_parameters", summary.linear_parameters},
          {"embedding_parameters", summary.embedding_parameters},
          {"small_parameters", summary.small_parameters},
          {"bytes", summary.bytes},
          {"files", summary.files},
          {"elements_by_dtype", summary.dtypes},
          {"linear_modules", list(summary.linears)},
          {"linear_parts", list(summary.parts)}};
}

std::string adapter_text(const std::filesystem::path& path, const model::AdapterSummary& summary) {
  const model::PeftConfig& config = summary.config;
  std::string text = line("adapter", path.string());
  const bool here = model::find_base_model(path, config).has_value();
  text += line("base model",
               config.base_model_name_or_path.empty()
                   ? std::string("not named")
                   : config.base_model_name_or_path + (here ? "" : " (not there; give it by --model)"));
  text += line("method", fmt::format("{}, rank {}, alpha {} (scale {}), dropout {}", method_name(config),
                                     config.r, config.lora_alpha, config.scale(), config.lora_dropout));
  if (!config.rank_pattern.empty()) text += line("rank pattern", pattern_text(config.rank_pattern));
  if (!config.alpha_pattern.empty()) text += line("alpha pattern", pattern_text(config.alpha_pattern));
  text += line("targets", targets_text(config.target_modules));
  const model::ModuleFilter& filter = config.filter;
  if (filter.exclude_modules != model::TargetModules())
    text += line("excluded", targets_text(filter.exclude_modules));
  if (!filter.layers_to_transform.empty()) {
    text += line("layers", fmt::format("{}", fmt::join(filter.layers_to_transform, ", ")));
  }
  text += line("parameters", fmt::format("{} on {} layers, {}", summary.parameters, summary.modules.size(),
                                         format_bytes(summary.bytes)));
  if (summary.embedding_halves > 0) {
    text += line("embeddings", fmt::format("{} adapted", summary.embedding_halves / 2));
  }
  if (config.lora_bias) text += line("lora bias", "a trained bias beside every B");
  if (summary.token_rows > 0) {
    text += line("beside them", fmt::format("{} rows of the embedding or the head (trainable_token_indices)",
                                            summary.token_rows));
  }
  if (summary.copies > 0) {
    text += line("beside them",
                 fmt::format("{} tensors of the base model, trained in full (modules_to_save: {}; bias: {})",
                             summary.copies, fmt::join(config.modules_to_save, ", "), word_of(config.bias)));
  }
  if (summary.base_weights > 0) {
    text += line("beside them", fmt::format("{} of the base model's weights", summary.base_weights));
  }
  text += "\nA is [rank, inputs], B is [outputs, rank], as PEFT stores them:\n";
  text += fmt::format("  {:<44}{:>6}{:>8}{:>17}{:>12}{:>12}\n", "layer", "rank", "scale", "inputs x outputs",
                      "norm of A", "norm of B");
  for (const model::AdapterModule& module : summary.modules) {
    text +=
        fmt::format("  {:<44}{:>6}{:>8.4g}{:>17}{:>12.4g}{:>12.4g}\n", module.name, module.rank, module.scale,
                    fmt::format("{} x {}", module.inputs, module.outputs), module.norm_a, module.norm_b);
  }
  return text;
}

io::OrderedJson adapter_json(const std::filesystem::path& path, const model::AdapterSummary& summary) {
  const model::PeftConfig& config = summary.config;
  io::OrderedJson modules = io::OrderedJson::array();
  for (const model::AdapterModule& module : summary.modules) {
    modules.push_back({{"name", module.name},
                       {"rank", module.rank},
                       {"scale", module.scale},
                       {"inputs", module.inputs},
                       {"outputs", module.outputs},
                       {"norm_a", module.norm_a},
                       {"norm_b", module.norm_b}});
  }
  return {{"kind", "adapter"},
          {"path", path.string()},
          {"base_model", config.base_model_name_or_path},
          {"base_model_found", model::find_base_model(path, config).has_value()},
          {"rank", config.r},
          {"alpha", config.lora_alpha},
          {"scale", config.scale()},
          {"rank_pattern", pattern_json(config.rank_pattern)},
          {"alpha_pattern", pattern_json(config.alpha_pattern)},
          {"dropout", config.lora_dropout},
          {"use_rslora", config.use_rslora},
          {"use_dora", config.use_dora},
          {"target_modules", targets_json(config.target_modules)},
          {"modules_to_save", config.modules_to_save},
          {"trainable_token_indices", model::to_json(config.trainable_token_indices)},
          {"bias", word_of(config.bias)},
          {"lora_bias", config.lora_bias},
          {"exclude_modules", targets_json(config.filter.exclude_modules)},
          {"layers_to_transform", config.filter.layers_to_transform},
          {"layers_pattern", config.filter.layers_pattern},
          {"parameters", summary.parameters},
          {"bytes", summary.bytes},
          {"base_weights", summary.base_weights},
          {"trained_copies", summary.copies},
          {"trained_token_rows", summary.token_rows},
          {"adapted_embeddings", summary.embedding_halves / 2},
          {"modules", std::move(modules)}};
}

std::string file_text(const io::SafetensorsFile& file) {
  std::string text = line("file", file.path().string());
  text += line("size", format_bytes(file.mapping()->size()));
  text += line("tensors", fmt::format("{}", file.tensors().size()));
  for (const auto& [key, value] : file.metadata())
    text += line("metadata", fmt::format("{}: {}", key, value));
  text += "\n";
  for (const io::TensorView& tensor : file.tensors()) {
    text += fmt::format("  {:<55} {:<6}[{}]\n", tensor.name, name_of(tensor.dtype),
                        fmt::join(tensor.shape, ", "));
  }
  return text;
}

io::OrderedJson file_json(const io::SafetensorsFile& file) {
  io::OrderedJson tensors = io::OrderedJson::array();
  for (const io::TensorView& tensor : file.tensors()) {
    tensors.push_back({{"name", tensor.name}, {"dtype", name_of(tensor.dtype)}, {"shape", tensor.shape}});
  }
  return {{"kind", "safetensors"},
          {"path", file.path().string()},
          {"bytes", file.mapping()->size()},
          {"metadata", file.metadata()},
          {"tensors", std::move(tensors)}};
}

}  // namespace lorry::cli
