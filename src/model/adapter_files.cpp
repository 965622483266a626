#include "model/adapter_files.hpp"

#include <fmt/ranges.h>

#include <cstring>
#include <map>
#include <set>

#include "core/error.hpp"
#include "io/safetensors.hpp"
#include "io/safetensors_writer.hpp"

namespace lorry::model {

namespace {

constexpr std::string_view kPrefix = "base_model.model.";
constexpr std::string_view kSuffixA = ".lora_A.weight";
constexpr std::string_view kSuffixB = ".lora_B.weight";

std::string key_of(const std::string& module, std::string_view suffix) {
  return std::string(kPrefix) + module + std::string(suffix);
}

/// The tensor of `key` as F32, checked against [rows, cols].
Matrix read_matrix(const io::SafetensorsFile& file, const std::string& key, Index rows, Index cols) {
  const io::TensorView& tensor = file.at(key);
  const std::string path = file.path().string();
  if (tensor.shape != std::vector<Index>{rows, cols}) {
    throw Error(
        "[load] {}: tensor \"{}\" is [{}]; this model and adapter_config.json say [{},{}]; adapter for "
        "another model?",
        path, key, fmt::join(tensor.shape, ","), rows, cols);
  }
  if (tensor.dtype != DType::kF32 && tensor.dtype != DType::kF16 && tensor.dtype != DType::kBF16) {
    throw Error("[load] {}: tensor \"{}\" has type {}; supported: F32, F16, BF16", path, key,
                name_of(tensor.dtype));
  }
  Matrix result(rows, cols);
  float* to = result.row<float>(0);
  const auto convert = [&]<class T>(T value) {
    for (Index i = 0; i < result.size(); ++i) {
      std::memcpy(&value, tensor.bytes.data() + i * static_cast<Index>(sizeof(T)), sizeof(T));
      to[i] = to_float(value);
    }
  };
  if (tensor.dtype == DType::kF32) convert(float{});
  if (tensor.dtype == DType::kF16) convert(F16{});
  if (tensor.dtype == DType::kBF16) convert(BF16{});
  return result;
}

Matrix transposed(const Matrix& from) {
  Matrix to(from.cols(), from.rows());
  for (Index i = 0; i < from.rows(); ++i) {
    for (Index j = 0; j < from.cols(); ++j) to.row<float>(j)[i] = from.row<float>(i)[j];
  }
  return to;
}

/// Modules that the file holds halves of. Throws Error for any other tensor.
std::set<std::string> modules_in(const io::SafetensorsFile& file) {
  std::set<std::string> modules;
  for (const io::TensorView& tensor : file.tensors()) {
    const std::string& name = tensor.name;
    const bool known = name.starts_with(kPrefix) && (name.ends_with(kSuffixA) || name.ends_with(kSuffixB));
    if (!known) {
      throw Error("[load] {}: tensor \"{}\" is not supported; expected names like \"{}<module>{}\"",
                  file.path().string(), name, kPrefix, kSuffixA);
    }
    modules.insert(name.substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffixA.size()));
  }
  return modules;
}

}  // namespace

Adapter load_adapter(const std::filesystem::path& folder, Decoder& decoder) {
  PeftConfig config = load_peft_config(folder);
  const std::filesystem::path path = folder / kAdapterWeightsFile;
  if (!std::filesystem::exists(path)) {
    throw Error("[load] {}: {} is missing; expected beside {}", folder.string(), kAdapterWeightsFile,
                kAdapterConfigFile);
  }
  const io::SafetensorsFile file(path);
  const std::vector<std::string> chosen =
      match_modules(config.target_modules, linear_names(decoder), decoder.config().names.head,
                    "[load] " + (folder / kAdapterConfigFile).string() + ": field \"target_modules\"");
  std::set<std::string> in_file = modules_in(file);
  std::vector<const nn::Linear*> linears;
  for (const std::string& module : chosen) {
    if (in_file.erase(module) == 0) {
      throw Error("[load] {}: tensor \"{}\" is missing; adapter for another model?", path.string(),
                  key_of(module, kSuffixA));
    }
    linears.push_back(decoder.find_linear(module));
  }
  if (!in_file.empty()) {
    throw Error(
        "[load] {}: module \"{}\" is not among the layers that target_modules selects in this model; adapter "
        "for "
        "another model?",
        path.string(), *in_file.begin());
  }
  Adapter adapter(std::move(config), linears);
  for (auto& entry : adapter.entries()) {
    nn::LowRankUpdate& update = entry->update;
    update.a = read_matrix(file, key_of(entry->module, kSuffixA), update.rank, update.a.cols());
    update.b_transposed = transposed(
        read_matrix(file, key_of(entry->module, kSuffixB), update.b_transposed.cols(), update.rank));
  }
  return adapter;
}

void save_adapter(const std::filesystem::path& folder, const Adapter& adapter) {
  std::vector<io::TensorSpec> specs;
  std::map<std::string, Matrix> matrices;  // B in the layout of the file
  for (const auto& entry : adapter.entries()) {
    const nn::LowRankUpdate& update = entry->update;
    specs.push_back({key_of(entry->module, kSuffixA), DType::kF32, {update.rank, update.a.cols()}});
    specs.push_back(
        {key_of(entry->module, kSuffixB), DType::kF32, {update.b_transposed.cols(), update.rank}});
    matrices.emplace(key_of(entry->module, kSuffixB), transposed(update.b_transposed));
  }
  io::SafetensorsWriter writer(folder / kAdapterWeightsFile, std::move(specs));
  const auto write = [&](const std::string& key, const Matrix& matrix) {
    writer.write(key, {matrix.view().data, static_cast<std::size_t>(matrix.bytes())});
  };
  for (const auto& entry : adapter.entries()) write(key_of(entry->module, kSuffixA), entry->update.a);
  for (const auto& [key, matrix] : matrices) write(key, matrix);
  writer.finish();
  save_peft_config(folder, adapter.config());
}

}  // namespace lorry::model
