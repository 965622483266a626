#include "model/trained_copies.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "core/error.hpp"
#include "io/message_text.hpp"
#include "model/name_pattern.hpp"
#include "model/peft_names.hpp"

namespace lorry::model {

namespace {

bool is_bias(const TensorSpec& spec) {
  return spec.kind == TensorKind::kBias || spec.kind == TensorKind::kNormBias;
}

/// The tensors that have modules of their own in PyTorch: a tied head too.
std::vector<TensorSpec> list_with_head(const ModelConfig& model) {
  std::vector<TensorSpec> specs = list_tensors(model);
  if (model.tie_word_embeddings) {
    specs.push_back(
        {model.names.head + ".weight", {model.vocab_size, model.hidden_size}, TensorKind::kLinear});
  }
  return specs;
}

/// "model.layers" and "model": copies of these would hold the adapter itself.
bool holds_all_blocks(const std::string& module, const ModelConfig& model) {
  const std::string root = model.names.root.substr(0, model.names.root.rfind('.'));
  return module == root || module == model.names.root + model.names.layers;
}

/// The module and those around it, "model.layers.0.mlp" of "model.layers.0.mlp.up_proj".
std::vector<std::string> modules_around(std::string module) {
  std::vector<std::string> modules;
  while (!module.empty()) {
    modules.push_back(module);
    const std::size_t dot = module.rfind('.');
    module.resize(dot == std::string::npos ? 0 : dot);
  }
  return modules;
}

/// Whether `name` means the tensor.
bool names_tensor(const std::string& name, const TensorSpec& spec, const ModelConfig& model,
                  std::string_view where) {
  bool found = false;
  for (const std::string& module : modules_around(spec.module())) {
    if (!module.ends_with(name)) continue;
    if (holds_all_blocks(module, model)) {
      throw Error("{} \"modules_to_save\": {} matches {}, which holds every block; expected smaller modules",
                  where, io::in_quotes(name), io::in_quotes(module));
    }
    found = true;
  }
  return found;
}

[[noreturn]] void throw_unmatched(const std::string& name, const std::vector<TensorSpec>& specs,
                                  std::string_view where) {
  std::set<std::string> parts;
  for (const TensorSpec& spec : specs) parts.insert(last_part(spec.module()));
  throw Error("{} \"modules_to_save\": {} matches no module of this model; it has: {}", where,
              io::in_quotes(name), fmt::join(parts, ", "));
}

/// Names of the tensors that modules_to_save means.
std::set<std::string> saved_tensors(const PeftConfig& config, const ModelConfig& model,
                                    const std::vector<TensorSpec>& specs, std::string_view where,
                                    UnmatchedName unmatched) {
  std::set<std::string> saved;
  for (const std::string& name : config.modules_to_save) {
    bool found = false;
    for (const TensorSpec& spec : specs) {
      if (!names_tensor(name, spec, model, where)) continue;
      saved.insert(spec.name);
      found = true;
    }
    if (!found && unmatched == UnmatchedName::kRefuse) throw_unmatched(name, specs, where);
  }
  return saved;
}

WeightView own_tensor(const TensorSpec& spec, Decoder& decoder) {
  const ModuleNames& names = decoder.config().names;
  const std::string module = spec.module();
  const bool bias = is_bias(spec);
  if (module == names.root + names.embedding) return decoder.embedding_table();
  if (module == names.root + names.position_embedding) return decoder.position_table();
  if (const nn::Linear* linear = decoder.find_linear(module)) {
    return bias ? linear->weights().bias : linear->weights().readable();
  }
  const nn::Norm* norm = decoder.find_norm(module);
  LORRY_CHECK(norm != nullptr);
  return bias ? norm->weights().bias : norm->weights().weight;
}

}  // namespace

bool is_saved_module(const PeftConfig& config, const std::string& module) {
  const std::vector<std::string> around = modules_around(module);
  return std::any_of(config.modules_to_save.begin(), config.modules_to_save.end(),
                     [&](const std::string& name) {
                       return std::any_of(around.begin(), around.end(),
                                          [&](const std::string& one) { return one.ends_with(name); });
                     });
}

std::vector<CopySpec> list_copies(const PeftConfig& config, const ModelConfig& model,
                                  const std::set<std::string>& adapted, std::string_view where,
                                  UnmatchedName unmatched) {
  const std::vector<TensorSpec> specs = list_with_head(model);
  const std::set<std::string> saved = saved_tensors(config, model, specs, where, unmatched);
  std::vector<CopySpec> copies;
  bool biases = config.bias == BiasTraining::kNone;
  for (const TensorSpec& spec : specs) {
    const std::string module = spec.module();
    const bool has_update = adapted.contains(module);
    if (saved.contains(spec.name)) {
      if (has_update) {
        throw Error("{} \"modules_to_save\": found {}, which has a low-rank update; expected one of both",
                    where, io::in_quotes(module));
      }
      copies.push_back({spec, peft_name(spec.name, "")});
      continue;
    }
    const bool wanted =
        config.bias == BiasTraining::kAll || (config.bias == BiasTraining::kLoraOnly && has_update);
    if (!wanted || !is_bias(spec)) continue;
    copies.push_back({spec, peft_name(module, has_update ? ".base_layer.bias" : ".bias")});
    biases = true;
  }
  if (!biases && unmatched == UnmatchedName::kRefuse) {
    throw Error("{} \"bias\": found \"{}\"; this model has no such biases; expected \"none\"", where,
                word_of(config.bias));
  }
  return copies;
}

void remove_saved_modules(const PeftConfig& config, std::string_view where,
                          std::vector<std::string>& modules) {
  for (const std::string& name : config.modules_to_save) {
    const NamePattern pattern = NamePattern::whole(fmt::format("(^|.*\\.){}($|\\..*)", name),
                                                   fmt::format("{} \"modules_to_save\"", where));
    std::erase_if(modules, [&](const std::string& module) { return pattern.matches(module); });
  }
}

void TrainedCopies::add(CopySpec spec, Matrix value) {
  entries_.push_back({std::move(spec), std::move(value), {}});
}

void TrainedCopies::add_own(CopySpec spec, Decoder& decoder) {
  Matrix value(spec.tensor.rows(), spec.tensor.cols());
  decoder.ops().copy(own_tensor(spec.tensor, decoder), value);
  add(std::move(spec), std::move(value));
}

TrainedCopies::Entry* TrainedCopies::find(const std::string& tensor) {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return entry.spec.tensor.name == tensor; });
  return found == entries_.end() ? nullptr : &*found;
}

void TrainedCopies::attach(Decoder& decoder) {
  const auto value = [&](const std::string& tensor) {
    Entry* entry = find(tensor);
    return entry == nullptr ? MatrixView{} : entry->value.view();
  };
  const auto gradient = [&](const std::string& tensor) {
    Entry* entry = find(tensor);
    return entry == nullptr || entry->gradient.empty() ? MatrixView{} : entry->gradient.view();
  };
  std::set<std::string> modules;
  for (const Entry& entry : entries_) modules.insert(entry.spec.tensor.module());
  for (const std::string& module : modules) {
    const std::string weight = module + ".weight";
    const std::string bias = module + ".bias";
    if (nn::Linear* linear = decoder.find_linear(module)) {
      linear->set_copies(value(weight), value(bias));
      linear->set_gradients({.matrix = gradient(weight), .bias = gradient(bias)});
    } else if (nn::Norm* norm = decoder.find_norm(module)) {
      norm->set_copies(value(weight), value(bias));
      norm->set_gradients({.weight = gradient(weight), .bias = gradient(bias)});
    }
  }
  const ModuleNames& names = decoder.config().names;
  const std::string tokens = names.root + names.embedding + ".weight";
  const std::string positions = names.root + names.position_embedding + ".weight";
  decoder.set_embedding_copies(value(tokens), value(positions));
  decoder.set_embedding_gradients(gradient(tokens), gradient(positions));
}

void TrainedCopies::detach(Decoder& decoder) {
  for (nn::Linear* linear : decoder.linears()) {
    linear->set_copies({}, {});
    linear->set_gradients({});
  }
  for (const TensorSpec& spec : list_tensors(decoder.config())) {
    if (spec.kind != TensorKind::kNormWeight) continue;
    nn::Norm* norm = decoder.find_norm(spec.module());
    norm->set_copies({}, {});
    norm->set_gradients({});
  }
  decoder.set_embedding_copies({}, {});
  decoder.set_embedding_gradients({}, {});
}

}  // namespace lorry::model
