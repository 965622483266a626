#include "model/adapter_files.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "core/error.hpp"
#include "io/safetensors.hpp"
#include "io/safetensors_writer.hpp"
#include "model/adapter_check.hpp"
#include "model/embedding_targets.hpp"
#include "model/module_ranks.hpp"
#include "model/peft_names.hpp"
#include "model/stacked_parts.hpp"
#include "model/tensor_values.hpp"

namespace lorry::model {

namespace {

bool same_values(const io::TensorView& tensor, WeightView view) {
  if (!is_float_tensor(tensor) || tensor.shape != std::vector<Index>{view.rows, view.cols}) return false;
  std::vector<float> row(static_cast<std::size_t>(view.cols));
  std::vector<float> own(row.size());
  for (Index i = 0; i < view.rows; ++i) {
    read_floats(tensor, i * view.cols, row);
    view.read_row(i, own.data());
    if (row != own) return false;
  }
  return true;
}

/// The base weight that a tensor of an adapter file repeats: PEFT adds head and embedding when the head is
/// adapted.
WeightView repeated_weight(const std::string& name, Decoder& decoder) {
  const std::optional<std::string> module = base_module_of(name);
  if (!module || !name.ends_with(".weight")) return {};
  const ModuleNames& names = decoder.config().names;
  if (*module == names.root + names.embedding) return decoder.embedding_table();
  return *module == names.head ? decoder.find_linear(names.head)->weights().readable() : WeightView{};
}

/// Of a tied head that follows the embedding's trained rows, PEFT writes these twice where it writes tables.
bool repeats_rows(const io::SafetensorsFile& file, const io::TensorView& tensor, const ModelConfig& model) {
  if (module_of(tensor.name, kTokenRows) != model.names.head || !model.tie_word_embeddings) return false;
  const io::TensorView* rows = file.find(peft_name(model.names.root + model.names.embedding, kTokenRows));
  return rows != nullptr && rows->shape == tensor.shape &&
         std::equal(rows->bytes.begin(), rows->bytes.end(), tensor.bytes.begin(), tensor.bytes.end());
}

/// Modules that the file holds halves of. Throws Error for any tensor that would change the model in another
/// way. `read`: tensors of other kinds that the config asks for. Tables of another vocabulary go to
/// `adapter`.
std::set<std::string> modules_in(const io::SafetensorsFile& file, const std::set<std::string>& read,
                                 Decoder& decoder, Adapter& adapter) {
  std::set<std::string> modules;
  for (const io::TensorView& tensor : file.tensors()) {
    if (read.contains(tensor.name) || is_stray_copy(tensor.name) ||
        repeats_rows(file, tensor, decoder.config())) {
      continue;
    }
    std::optional<std::string> module = module_of(tensor.name, kLoraA);
    if (!module) module = module_of(tensor.name, kLoraB);
    if (module) {
      modules.insert(*module);
      continue;
    }
    const std::string path = file.path().string();
    const WeightView weight = repeated_weight(tensor.name, decoder);
    if (weight.empty()) {
      throw Error("[load] {}: tensor \"{}\" is not supported; expected names like \"{}\"", path, tensor.name,
                  peft_name("<module>", kLoraA));
    }
    if (!same_values(tensor, weight)) {
      throw Error("[load] {}: tensor \"{}\" differs from the model's own; expected an adapter that keeps it",
                  path, tensor.name);
    }
    if (decoder.config().other_vocabulary) adapter.tables().push_back({tensor.name, file});
  }
  return modules;
}

/// The tensor of `key` as F32, checked against `shape`, of one or two sizes.
Matrix read_tensor(const io::SafetensorsFile& file, const std::string& key, const std::vector<Index>& shape) {
  const io::TensorView& tensor = file.at(key);
  const std::string path = file.path().string();
  if (tensor.shape != shape) {
    throw Error("[load] {}: tensor \"{}\" is [{}]; this model and {} say [{}]; adapter for another model?",
                path, key, fmt::join(tensor.shape, ","), kAdapterConfigFile, fmt::join(shape, ","));
  }
  if (!is_float_tensor(tensor)) {
    throw Error("[load] {}: tensor \"{}\" has type {}; supported: F32, F16, BF16", path, key,
                name_of(tensor.dtype));
  }
  Matrix result(shape.size() == 2 ? shape[0] : 1, shape.back());
  const std::span<float> values = {result.row<float>(0), static_cast<std::size_t>(result.size())};
  read_floats(tensor, 0, values);
  file.mapping()->advise(io::MappedFile::Advice::kDontNeed);
  if (!std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); })) {
    throw Error(
        "[load] {}: tensor \"{}\": found NaN or infinity; expected finite numbers: did training diverge?",
        path, key);
  }
  return result;
}

Matrix transposed(const Matrix& from) {
  Matrix to(from.cols(), from.rows());
  for (Index i = 0; i < from.rows(); ++i) {
    for (Index j = 0; j < from.cols(); ++j) to.row<float>(j)[i] = from.row<float>(i)[j];
  }
  return to;
}

/// The same for a base that lacks nothing, as PEFT's path_initial_model_for_weight_conversion makes it; of
/// linear maps' updates alone.
Adapter to_plain_base(const Adapter& adapter) {
  PeftConfig config = adapter.config();
  config.init_lora_weights = LoraInit::kKaimingUniform;
  // Every rank doubles, and alpha so that the scale stays.
  const double factor = config.rank_divisor(2);
  config.r *= 2;
  config.lora_alpha *= factor;
  for (auto& [key, rank] : config.rank_pattern) rank *= 2;
  for (auto& [key, alpha] : config.alpha_pattern) alpha *= factor;
  Adapter result(std::move(config));
  for (const auto& entry : adapter.entries()) {
    nn::LowRankUpdate whole = entry->whole();
    if (entry->part) {
      result.add(*entry->part, std::move(whole.a), std::move(whole.b_transposed), whole.scale);
    } else {
      result.add(entry->module, std::move(whole.a), std::move(whole.b_transposed), whole.scale);
    }
  }
  return result;
}

/// The tensors of an adapter's file under their names. Borrows the matrices.
class FileContent {
 public:
  /// A matrix as it is, or a vector of one row by its shape.
  void add(const std::string& name, const Matrix& value, std::vector<Index> shape) {
    specs_.push_back({name, DType::kF32, std::move(shape)});
    values_.emplace(name, Value{&value, false});
  }
  /// Turned when it is written: copies of them all would take half of the adapter's memory again.
  void add_transposed(const std::string& name, const Matrix& value) {
    specs_.push_back({name, DType::kF32, {value.cols(), value.rows()}});
    values_.emplace(name, Value{&value, true});
  }
  void add_vector(const std::string& name, const Matrix& value) { add(name, value, {value.cols()}); }
  /// A table as another file has it.
  void add(const Adapter::Table& table) {
    const io::TensorView& tensor = table.file.at(table.name);
    specs_.push_back({tensor.name, tensor.dtype, tensor.shape});
    tables_.push_back(&tensor);
  }

  void write(const std::filesystem::path& path, const std::map<std::string, std::string>& metadata) const {
    io::SafetensorsWriter writer(path, specs_, metadata);
    for (const auto& [name, value] : values_) {
      const Matrix turned = value.transposed ? transposed(*value.matrix) : Matrix();
      const Matrix& written = value.transposed ? turned : *value.matrix;
      writer.write(name, {written.view().data, static_cast<std::size_t>(written.bytes())});
    }
    for (const io::TensorView* table : tables_) writer.write(table->name, table->bytes);
    writer.finish();
  }

 private:
  struct Value {
    const Matrix* matrix;
    bool transposed;
  };

  std::vector<io::TensorSpec> specs_;
  std::map<std::string, Value> values_;
  std::vector<const io::TensorView*> tables_;
};

void add_updates(const Adapter& adapter, FileContent& content) {
  for (const auto& entry : adapter.entries()) {
    const nn::LowRankUpdate& update = entry->update;
    content.add(peft_name(entry->module, kLoraA), update.a, {update.rank, update.a.cols()});
    content.add_transposed(peft_name(entry->module, kLoraB), update.b_transposed);
    if (!update.bias.empty()) content.add_vector(peft_name(entry->module, kLoraBBias), update.bias);
    if (!update.magnitude.empty()) content.add_vector(peft_name(entry->module, kMagnitude), update.magnitude);
  }
}

/// What there is beside linear maps' updates.
void add_beside(const Adapter& adapter, FileContent& content) {
  for (const auto& entry : adapter.embeddings()) {
    content.add_transposed(peft_name(entry->module, kLoraEmbeddingA), entry->update.a_transposed);
    content.add_transposed(peft_name(entry->module, kLoraEmbeddingB), entry->update.b_transposed);
  }
  for (const auto& entry : adapter.tokens()) {
    const Matrix& rows = entry->rows.value;
    content.add(peft_name(entry->module, kTokenRows), rows, {rows.rows(), rows.cols()});
  }
  for (const TrainedCopies::Entry& copy : adapter.copies().entries()) {
    content.add(copy.spec.file_name, copy.value, copy.spec.tensor.shape);
  }
  for (const Adapter::Table& table : adapter.tables()) content.add(table);
}

/// `adapter`'s config, without keys that name parts (they mean nothing to PEFT), for updates of these ranks.
PeftConfig plain_config(const Adapter& adapter, const Adapter& all, bool parts) {
  std::vector<ModuleRank> ranks;
  for (const auto& entry : adapter.entries())
    ranks.push_back({entry->module, entry->update.rank, entry->update.scale});
  for (const auto& entry : all.embeddings())
    ranks.push_back({entry->module, entry->update.rank, entry->update.scale});
  PeftConfig config = adapter.config();
  if (parts) {
    config.rank_pattern.clear();
    config.alpha_pattern.clear();
  }
  return with_module_ranks(std::move(config), ranks);
}

/// Linear maps' updates as `adapter` has them, without parts; what else there is as `all` has it.
void save_plain(const std::filesystem::path& folder, const Adapter& adapter, const Adapter& all,
                const PartRecords& parts) {
  // The config first: weights are what makes a folder an adapter, so a failure between the two leaves none.
  save_peft_config(folder, plain_config(adapter, all, !parts.empty()));
  FileContent content;
  add_updates(adapter, content);
  add_beside(all, content);
  std::map<std::string, std::string> metadata = {{"format", "pt"}};
  if (!parts.empty()) metadata[kPartsKey] = write_part_records(parts);
  content.write(folder / kAdapterWeightsFile, metadata);
}

void read_embedding(const io::SafetensorsFile& file, const std::string& module, const ModuleRanks& ranks,
                    const Decoder& decoder, Adapter& adapter) {
  const bool tokens = module == decoder.config().names.root + decoder.config().names.embedding;
  const WeightView table = tokens ? decoder.embedding_table() : decoder.position_table();
  const Index rank = ranks.rank(module);
  const Matrix a = read_tensor(file, peft_name(module, kLoraEmbeddingA), {rank, table.rows});
  const Matrix b = read_tensor(file, peft_name(module, kLoraEmbeddingB), {table.cols, rank});
  adapter.add_embedding(module, transposed(a), transposed(b), ranks.scale(module));
}

/// Names of what the file holds beside A and B of `modules`.
std::set<std::string> other_tensors(const PeftConfig& config, const std::vector<std::string>& modules,
                                    const std::vector<std::string>& embeddings,
                                    const std::vector<CopySpec>& copies,
                                    const std::vector<TokenTarget>& tokens) {
  std::set<std::string> names;
  for (const std::string& module : embeddings) {
    names.insert(peft_name(module, kLoraEmbeddingA));
    names.insert(peft_name(module, kLoraEmbeddingB));
  }
  for (const CopySpec& spec : copies) names.insert(spec.file_name);
  for (const TokenTarget& target : tokens) names.insert(peft_name(target.module, kTokenRows));
  for (const std::string& module : modules) {
    if (config.lora_bias) names.insert(peft_name(module, kLoraBBias));
    if (config.use_dora) names.insert(peft_name(module, kMagnitude));
  }
  return names;
}

/// The file's updates, one for each map.
Adapter load_stacked(const std::filesystem::path& folder, const io::SafetensorsFile& file, Adapter adapter,
                     Decoder& decoder) {
  const PeftConfig& config = adapter.config();
  const std::string where = fmt::format("[load] {}: field", (folder / kAdapterConfigFile).string());
  check_beside_tensors(config, file, where);
  check_selection(config, file, where);
  const std::vector<std::string> maps = linear_names(decoder);
  const std::string field = fmt::format("{} \"target_modules\"", where);
  auto [embeddings, linears, any_linears] =
      split_targets(config.target_modules, decoder.config(), maps, field);
  check_embeddings(config, embeddings, where);
  std::vector<std::string> chosen;
  if (any_linears) {
    chosen = match_modules(linears, maps, decoder.config().names.head, field, UnmatchedName::kIgnore);
    chosen = filter_modules(chosen, linears, config.filter, maps, where, UnmatchedName::kIgnore);
  }
  remove_saved_modules(config, where, chosen);
  remove_saved_modules(config, where, embeddings);
  std::set<std::string> adapted(chosen.begin(), chosen.end());
  adapted.insert(embeddings.begin(), embeddings.end());
  const ModuleRanks ranks(config, where);
  const std::vector<CopySpec> copies =
      list_copies(config, decoder.config(), adapted, where, UnmatchedName::kIgnore);
  const std::vector<TokenTarget> tokens = token_targets(config, decoder.config(), adapted, copies, where);
  std::set<std::string> in_file =
      modules_in(file, other_tensors(config, chosen, embeddings, copies, tokens), decoder, adapter);
  for (const std::string& module : chosen) {
    if (in_file.erase(module) == 0) {
      throw Error("[load] {}: tensor \"{}\" is missing; adapter for another model?", file.path().string(),
                  peft_name(module, kLoraA));
    }
    const nn::Linear& linear = *decoder.find_linear(module);
    const Index rank = ranks.rank(module);
    Matrix a = read_tensor(file, peft_name(module, kLoraA), {rank, linear.inputs()});
    const Matrix b = read_tensor(file, peft_name(module, kLoraB), {linear.outputs(), rank});
    Matrix bias;
    if (config.lora_bias) bias = read_tensor(file, peft_name(module, kLoraBBias), {linear.outputs()});
    adapter.add(module, std::move(a), transposed(b), ranks.scale(module), std::move(bias));
    if (!config.use_dora) continue;
    adapter.entries().back()->update.magnitude =
        read_tensor(file, peft_name(module, kMagnitude), {linear.outputs()});
  }
  for (const std::string& module : embeddings) read_embedding(file, module, ranks, decoder, adapter);
  for (const TokenTarget& target : tokens) {
    const std::vector<Index> shape = {std::ssize(target.ids), decoder.config().hidden_size};
    adapter.add_tokens(target, read_tensor(file, peft_name(target.module, kTokenRows), shape));
  }
  for (const CopySpec& spec : copies) {
    adapter.copies().add(spec, read_tensor(file, spec.file_name, spec.tensor.shape));
  }
  if (in_file.empty()) return adapter;
  throw Error(
      "[load] {}: module \"{}\" is not among the layers that target_modules selects; adapter for another "
      "model?",
      file.path().string(), *in_file.begin());
}

}  // namespace

Adapter load_adapter(const std::filesystem::path& folder, Decoder& decoder, PartsAs parts) {
  Adapter adapter(load_peft_config(folder));
  const std::filesystem::path path = folder / kAdapterWeightsFile;
  if (!std::filesystem::exists(path)) {
    throw Error("[load] {}: {} is missing; expected beside {}", folder.string(), kAdapterWeightsFile,
                kAdapterConfigFile);
  }
  const io::SafetensorsFile file(path);
  Adapter stacked = load_stacked(folder, file, std::move(adapter), decoder);
  const PartRecords records = read_part_records(file);
  if (records.empty() || parts == PartsAs::kStacked) return stacked;
  if (stacked.config().use_dora) {
    throw Error(
        "[load] {}: found a record of parts beside use_dora; expected whole maps: changed by another "
        "program?",
        path.string());
  }
  return separate_parts(std::move(stacked), records, fused_parts(decoder.config()), path.string());
}

void save_adapter(const std::filesystem::path& folder, const Adapter& adapter) {
  std::optional<Adapter> plain;
  if (starts_from_weights(adapter.config().init_lora_weights)) plain.emplace(to_plain_base(adapter));
  const Adapter& written = plain ? *plain : adapter;
  if (written.has_parts()) {
    save_plain(folder, stack_parts(written), adapter, part_records_of(written));
  } else {
    save_plain(folder, written, adapter, {});
  }
}

}  // namespace lorry::model
