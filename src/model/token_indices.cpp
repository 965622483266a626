#include "model/token_indices.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "io/json_fields.hpp"
#include "io/message_text.hpp"
#include "model/name_pattern.hpp"
#include "model/trained_copies.hpp"

namespace lorry::model {

namespace {

constexpr const char* kField = "trainable_token_indices";

std::vector<Index> parse_ids(const io::Json& list, const std::string& field, const std::string& file) {
  constexpr const char* kExpected = "a list of integers of at least 0";
  if (!list.is_array()) io::throw_field_error(file, field, &list, kExpected);
  std::vector<Index> ids;
  ids.reserve(list.size());
  for (const io::Json& id : list) {
    if (!id.is_number_integer() || id < 0) io::throw_field_error(file, field, &id, kExpected);
    ids.push_back(id.get<Index>());
  }
  return ids;
}

/// The modules that have tables, as the config may name them.
struct Tables {
  std::string embedding;
  std::string head;
  std::vector<std::string> others;
};

Tables tables_of(const ModelConfig& model) {
  Tables tables{
      .embedding = model.names.root + model.names.embedding, .head = model.names.head, .others = {}};
  for (const TensorSpec& spec : list_tensors(model)) {
    const std::string module = spec.module();
    if (module != tables.embedding && module != tables.head) tables.others.push_back(module);
  }
  return tables;
}

/// Ids as the kernels take them.
std::vector<std::int32_t> checked_ids(const std::vector<Index>& ids, const ModelConfig& model,
                                      std::string_view where) {
  std::vector<std::int32_t> checked;
  checked.reserve(ids.size());
  std::set<Index> seen;
  for (const Index id : ids) {
    if (id >= model.vocab_size) {
      throw Error("{} \"{}\": found {}; this model has tokens 0 to {}", where, kField, id,
                  model.vocab_size - 1);
    }
    if (!seen.insert(id).second) {
      throw Error("{} \"{}\": found {} twice; expected every token once", where, kField, id);
    }
    checked.push_back(static_cast<std::int32_t>(id));
  }
  if (checked.empty()) throw Error("{} \"{}\": found no tokens; expected at least one", where, kField);
  return checked;
}

/// Both tables' rows, as far as the config names them.
struct Chosen {
  std::vector<std::int32_t> embedding;
  std::vector<std::int32_t> head;
};

void take(const TokenIndices& named, const Tables& tables, const ModelConfig& model, std::string_view where,
          Chosen& chosen) {
  const std::string& name = named.module.empty() ? tables.embedding : named.module;
  const auto other = std::find_if(tables.others.begin(), tables.others.end(),
                                  [&](const std::string& module) { return module.ends_with(name); });
  const bool of_embedding = tables.embedding.ends_with(name);
  const bool of_head = tables.head.ends_with(name);
  if (other != tables.others.end() || (!of_embedding && !of_head)) {
    throw Error("{} \"{}\": {} matches {}; expected the embedding or the head: {} or {}", where, kField,
                io::in_quotes(name), other == tables.others.end() ? "no module of this model" : *other,
                last_part(tables.embedding), tables.head);
  }
  const std::vector<std::int32_t> ids = checked_ids(named.ids, model, where);
  const auto put = [&](std::vector<std::int32_t>& to) {
    if (!to.empty()) {
      throw Error("{} \"{}\": {} names a module that was named before; expected one list for each", where,
                  kField, io::in_quotes(name));
    }
    to = ids;
  };
  if (of_embedding) put(chosen.embedding);
  if (of_head) put(chosen.head);
}

bool is_copied(const std::string& module, const std::vector<CopySpec>& copies) {
  return std::any_of(copies.begin(), copies.end(),
                     [&](const CopySpec& copy) { return copy.tensor.name == module + ".weight"; });
}

void check_alone(const std::string& module, const std::set<std::string>& adapted,
                 const std::vector<CopySpec>& copies, std::string_view where) {
  const auto refuse = [&](std::string_view what) {
    throw Error("{} \"{}\": found with {} of {}; expected one of them, as in PEFT", where, kField, what,
                module);
  };
  if (is_copied(module, copies)) refuse("modules_to_save");
  if (adapted.contains(module)) refuse("a low-rank update");
}

}  // namespace

std::vector<TokenIndices> parse_token_indices(const io::Json& json, const std::string& file) {
  const io::Json* found = io::find_field(json, kField, file);
  if (found == nullptr || found->empty()) return {};
  if (!found->is_object()) return {{.module = {}, .ids = parse_ids(*found, kField, file)}};
  std::vector<TokenIndices> indices;
  for (const auto& [module, ids] : found->items()) {
    const std::string field = fmt::format("{}.{}", kField, module);
    if (module.empty()) io::throw_field_error(file, kField, found, "names of modules");
    indices.push_back({module, parse_ids(ids, field, file)});
  }
  return indices;
}

io::OrderedJson to_json(const std::vector<TokenIndices>& indices) {
  if (indices.size() == 1 && indices.front().module.empty()) return indices.front().ids;
  io::OrderedJson json;
  for (const TokenIndices& named : indices) json[named.module] = named.ids;
  return json;
}

void train_added_tokens(const ModelConfig& model, PeftConfig& config) {
  if (model.added_tokens.empty()) return;
  const std::string embedding = model.names.root + model.names.embedding;
  const std::string& head = model.names.head;
  const bool saves_embedding = is_saved_module(config, embedding);
  const bool saves_head = is_saved_module(config, head);
  if (model.tie_word_embeddings && (saves_embedding || saves_head)) {
    throw Error(
        "[lora] \"modules_to_save\": found {} with --add-tokens on a model whose head is tied to its "
        "embedding; expected one of them",
        saves_embedding ? embedding : head);
  }
  std::vector<TokenIndices>& indices = config.trainable_token_indices;
  const auto means = [&](const TokenIndices& named, const std::string& module) {
    return named.module.empty() ? module == embedding : module.ends_with(named.module);
  };
  const auto find = [&](const std::string& module) {
    return std::find_if(indices.begin(), indices.end(),
                        [&](const TokenIndices& named) { return means(named, module); });
  };
  const auto add = [&](const std::string& module) {
    auto entry = find(module);
    if (entry == indices.end()) entry = indices.insert(entry, {last_part(module), {}});
    entry->ids.insert(entry->ids.end(), model.added_tokens.begin(), model.added_tokens.end());
  };
  const bool follows = model.tie_word_embeddings && find(head) == indices.end();
  if (follows && indices.empty()) indices.emplace_back();
  if (!saves_embedding) add(embedding);
  if (!follows && !saves_head) add(head);
  if (indices.size() == 1) return;
  for (TokenIndices& named : indices) {
    if (named.module.empty()) named.module = last_part(embedding);
  }
}

std::vector<TokenTarget> token_targets(const PeftConfig& config, const ModelConfig& model,
                                       const std::set<std::string>& adapted,
                                       const std::vector<CopySpec>& copies, std::string_view where) {
  if (config.trainable_token_indices.empty()) return {};
  const Tables tables = tables_of(model);
  Chosen chosen;
  for (const TokenIndices& named : config.trainable_token_indices) take(named, tables, model, where, chosen);
  std::vector<TokenTarget> targets;
  const bool same = chosen.head.empty() || chosen.head == chosen.embedding;
  const bool head_follows = model.tie_word_embeddings && !chosen.embedding.empty() && same;
  if (!chosen.embedding.empty()) {
    check_alone(tables.embedding, adapted, copies, where);
    if (head_follows && is_copied(tables.head, copies)) check_alone(tables.head, {}, copies, where);
    if (head_follows && config.use_dora && adapted.contains(tables.head)) {
      throw Error("{} \"{}\": found with DoRA of {}, which is tied to the embedding; expected one of them",
                  where, kField, tables.head);
    }
    targets.push_back({tables.embedding, std::move(chosen.embedding), head_follows});
  }
  if (!chosen.head.empty() && !head_follows) {
    check_alone(tables.head, adapted, copies, where);
    targets.push_back({tables.head, std::move(chosen.head)});
  }
  return targets;
}

}  // namespace lorry::model
