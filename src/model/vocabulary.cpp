#include "model/vocabulary.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "core/error.hpp"
#include "io/gguf.hpp"
#include "io/text_file.hpp"
#include "model/gguf_tokenizer.hpp"
#include "model/model_text.hpp"
#include "model/peft_config.hpp"
#include "model/peft_names.hpp"
#include "model/tensor_values.hpp"

namespace lorry::model {

namespace {

template <class Use>
void with_type(DType dtype, Use use) {
  if (dtype == DType::kF32) use([](float value) { return value; });
  if (dtype == DType::kF16) use([](float value) { return to_f16(value); });
  if (dtype == DType::kBF16) use([](float value) { return to_bf16(value); });
}

/// The mean of the first `rows` in `dtype`.
Matrix mean_row(WeightView table, Index rows, DType dtype) {
  std::vector<double> sums(static_cast<std::size_t>(table.cols));
  std::vector<float> row(sums.size());
  for (Index i = 0; i < rows; ++i) {
    table.read_row(i, row.data());
    std::transform(sums.begin(), sums.end(), row.begin(), sums.begin(),
                   [](double sum, float value) { return sum + static_cast<double>(value); });
  }
  Matrix mean(1, table.cols, dtype);
  with_type(dtype, [&](auto rounded) {
    using T = decltype(rounded(0.0F));
    std::transform(sums.begin(), sums.end(), mean.row<T>(0), [&](double sum) {
      return rounded(static_cast<float>(sum / static_cast<double>(std::max<Index>(rows, 1))));
    });
  });
  return mean;
}

std::byte* bytes_of_row(Matrix& matrix, Index row) {
  return matrix.view().row_range(row, 1).data;
}

/// A copy with `rows` rows, of which those from `first` to `last` are the mean of those before. A packed one
/// becomes float32: its blocks cannot hold rows of other values.
Matrix resized(WeightView table, Index rows, Index first, Index last) {
  Matrix result(rows, table.cols, table.is_packed() ? DType::kF32 : table.dense.dtype);
  const auto row_bytes = static_cast<std::size_t>(table.cols * size_of(result.dtype()));
  for (Index i = 0; i < std::min(rows, table.rows); ++i) {
    if (table.is_packed()) {
      table.read_row(i, result.row<float>(i));
    } else {
      std::memcpy(bytes_of_row(result, i), table.dense.row_range(i, 1).data, row_bytes);
    }
  }
  if (first >= last) return result;
  Matrix mean = mean_row(table, first, result.dtype());
  for (Index i = first; i < last; ++i) std::memcpy(bytes_of_row(result, i), bytes_of_row(mean, 0), row_bytes);
  return result;
}

/// Names of the tensors that have a row for every token.
std::vector<std::string> token_tables(const ModelConfig& config) {
  std::vector<std::string> modules = {config.names.root + config.names.embedding};
  if (!config.tie_word_embeddings) modules.push_back(config.names.head);
  return modules;
}

void put_table(const std::string& module, Matrix table, Weights& weights) {
  weights.add(module + ".weight", table.view());
  weights.keep(std::move(table));
}

/// The whole table as the adapter's file has it: of a module that is adapted, or as it is.
const io::TensorView* stored_table(const io::SafetensorsFile& file, const std::string& module, Index width) {
  constexpr std::array<const char*, 3> kEndings = {".token_adapter.base_layer.weight", ".base_layer.weight",
                                                   ".weight"};
  for (const char* ending : kEndings) {
    const io::TensorView* tensor = file.find(peft_name(module, ending));
    if (tensor != nullptr && tensor->shape.size() == 2 && tensor->shape[1] == width &&
        is_float_tensor(*tensor)) {
      return tensor;
    }
  }
  return nullptr;
}

/// What stands for `module` in the file; of a tied pair what is not trained in full.
const io::TensorView* stored_table(const io::SafetensorsFile& file, const std::string& module,
                                   const ModelConfig& config) {
  const io::TensorView* own = stored_table(file, module, config.hidden_size);
  if (!config.tie_word_embeddings || (own != nullptr && own->name.find("base_layer") != std::string::npos)) {
    return own;
  }
  const io::TensorView* head = stored_table(file, config.names.head, config.hidden_size);
  return head != nullptr ? head : own;
}

void copy_if_there(const std::filesystem::path& from, const char* name, const std::filesystem::path& to) {
  if (std::filesystem::exists(from / name)) io::write_text_file(to / name, io::read_text_file(from / name));
}

void copy_tokenizer_settings(const std::filesystem::path& from, const std::filesystem::path& to) {
  for (const char* name : {"tokenizer_config.json", "special_tokens_map.json"}) copy_if_there(from, name, to);
}

Matrix copy_table(const io::TensorView& tensor) {
  Matrix copy(tensor.shape[0], tensor.shape[1], tensor.dtype);
  std::memcpy(copy.view().data, tensor.bytes.data(), tensor.bytes.size());
  return copy;
}

}  // namespace

TokenizerFiles open_tokenizer(const std::filesystem::path& model, const std::filesystem::path& adapter) {
  std::error_code ignored;
  const bool own = !adapter.empty() && std::filesystem::exists(adapter / kTokenizerFile, ignored);
  const std::filesystem::path& folder = own ? adapter : model;
  return {.folder = folder,
          .tokenizer = std::make_shared<const text::Tokenizer>(
              io::is_gguf_path(folder) ? load_gguf_tokenizer(folder) : text::Tokenizer::load(folder)),
          .of_adapter = own};
}

void add_tokens(const std::vector<std::string>& tokens, TokenizerFiles& files, ModelConfig& config,
                Weights& weights) {
  if (tokens.empty()) return;
  text::Tokenizer::Extended extended =
      io::is_gguf_path(files.folder) ? load_gguf_tokenizer_with(files.folder, tokens)
                                     : text::Tokenizer::load_with(files.folder / kTokenizerFile, tokens);
  files.tokenizer = std::make_shared<const text::Tokenizer>(std::move(extended.tokenizer));
  files.changed_json = std::move(extended.json);
  files.of_adapter = true;
  config.added_tokens = std::move(extended.ids);
  const Index first = config.added_tokens.front();
  const Index last = config.added_tokens.back() + 1;
  if (first > config.vocab_size) return;  // refused by whoever looks at the tokenizer's size
  const Index rows = std::max(config.vocab_size, last);
  for (const std::string& module : token_tables(config)) {
    put_table(module, resized(weights.at(module + ".weight"), rows, first, last), weights);
  }
  config.other_vocabulary = config.other_vocabulary || rows != config.vocab_size;
  config.vocab_size = rows;
}

void fit_vocabulary(const std::filesystem::path& adapter, Index tokens, ModelConfig& config,
                    Weights& weights) {
  const std::filesystem::path path = adapter / kAdapterWeightsFile;
  if (!std::filesystem::exists(path)) return;  // told by whoever loads the adapter
  const io::SafetensorsFile file(path);
  Index rows = std::max(config.vocab_size, tokens);
  const std::vector<std::string> modules = token_tables(config);
  if (const io::TensorView* table = stored_table(file, modules.front(), config)) rows = table->shape[0];
  if (rows == config.vocab_size || rows == 0) return;
  for (const std::string& module : modules) {
    const io::TensorView* table = stored_table(file, module, config);
    if (table != nullptr && table->shape == std::vector<Index>{rows, config.hidden_size}) {
      put_table(module, copy_table(*table), weights);
      continue;
    }
    const WeightView own = weights.at(module + ".weight");
    put_table(module, resized(own, rows, own.rows, rows), weights);
  }
  config.vocab_size = rows;
  config.other_vocabulary = true;
}

void save_tokenizer(const TokenizerFiles& files, const std::filesystem::path& to) {
  if (!files.of_adapter) return;
  if (io::is_gguf_path(files.folder)) {
    io::write_json_file(to / "tokenizer_config.json", gguf_tokenizer_config(files.folder));
  } else {
    copy_tokenizer_settings(files.folder, to);
  }
  // A template that is there is the one that was trained with.
  if (!std::filesystem::exists(to / kChatTemplateFile)) copy_if_there(files.folder, kChatTemplateFile, to);
  io::write_text_file(to / kTokenizerFile, files.changed_json.empty()
                                               ? io::read_text_file(files.folder / kTokenizerFile)
                                               : files.changed_json);
}

void copy_text_files(const std::filesystem::path& adapter, const std::filesystem::path& to) {
  if (std::filesystem::exists(adapter / kTokenizerFile)) {
    copy_tokenizer_settings(adapter, to);
    copy_if_there(adapter, kTokenizerFile, to);
    // The template of the tokenizer that this one replaces.
    std::filesystem::remove(to / kChatTemplateFile);
  }
  copy_if_there(adapter, kChatTemplateFile, to);
}

}  // namespace lorry::model
