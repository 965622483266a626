#include "fuzz/readers.hpp"

#include <array>
#include <stdexcept>
#include <vector>

#include "cli/config_file.hpp"
#include "cli/option_table.hpp"
#include "cli/sweep_file.hpp"
#include "cli/train_options.hpp"
#include "core/error.hpp"
#include "data/dataset.hpp"
#include "fuzz/packed_readers.hpp"
#include "io/gguf.hpp"
#include "io/json_file.hpp"
#include "io/safetensors.hpp"
#include "model/bnb_format.hpp"
#include "model/config.hpp"
#include "model/gguf_tokenizer.hpp"
#include "model/model_text.hpp"
#include "model/peft_config.hpp"
#include "model/tensor_values.hpp"
#include "model/weights.hpp"
#include "text/tokenizer.hpp"

namespace lorry::fuzz {

namespace {

/// Goes on where `step` finds the file badly made.
template <class Step>
void attempt(const Step& step) {
  try {
    step();
  } catch (const Error&) {  // one of several readings of the file
  }
}

void read_safetensors(const std::filesystem::path& path) {
  const io::SafetensorsFile file(path);
  std::vector<float> values;
  for (const io::TensorView& tensor : file.tensors()) {
    if (file.find(tensor.name) != &tensor) throw std::logic_error("a tensor is not found by its name");
    if (!model::is_float_tensor(tensor)) continue;
    values.resize(static_cast<std::size_t>(tensor.elements()));
    model::read_floats(tensor, 0, values);
  }
}

/// Any JSON, then what models and adapters say in it.
void read_json(const std::filesystem::path& path) {
  const io::OrderedJson json = io::read_ordered_json_file(path);
  static_cast<void>(json.dump(-1, ' ', false, io::OrderedJson::error_handler_t::replace));
  attempt([&] { static_cast<void>(model::load_model_config(path)); });
  attempt([&] { static_cast<void>(model::is_bnb_quantized(io::read_json_file(path), path.string())); });
  static_cast<void>(model::load_peft_config(path.parent_path()));
}

void read_yaml(const std::filesystem::path& path) {
  const auto table_of = [](train::TrainOptions& options) {
    cli::OptionTable table;
    cli::add_train_options(table, options, "");
    return table;
  };
  attempt([&] {
    train::TrainOptions options;
    cli::OptionTable table = table_of(options);
    static_cast<void>(cli::read_sweep(path, table, options));
  });
  train::TrainOptions options;
  cli::OptionTable table = table_of(options);
  cli::read_config(path, table);
}

void read_tokenizer(const std::filesystem::path& path) {
  const text::Tokenizer tokenizer = text::Tokenizer::load(path);
  for (const char* words :
       {"", " a", "It's 12.5 \xe2\x82\xac\r\n\t </s> \xf0\x9f\x98\x80 na\xc3\xafve\xff"}) {
    static_cast<void>(tokenizer.decode(tokenizer.encode(words)));
  }
  static_cast<void>(tokenizer.decode(std::vector<std::int32_t>{-1, 0, 7, 1 << 30}, false));
}

void read_records(const std::filesystem::path& path) {
  static const model::ModelText text =
      model::open_text(std::filesystem::path(LORRY_SOURCE_DIR) / "tests/golden/text/llama2");
  const data::Encoder encoder = model::make_encoder(text, {.chat_template = "chatml"});
  const data::Dataset data = data::load_dataset(path, encoder, 64);
  for (const data::Document& document : data.documents) {
    if (document.target_count() < 1) throw std::logic_error("a document with nothing to learn");
  }
}

/// Weights and tokenizer apart, so that a fault of one does not hide the other.
void read_gguf(const std::filesystem::path& path) {
  const io::GgufModel file(path);
  for (const auto& [name, tensor] : file.tensors()) {
    if (file.find(name) != tensor) throw std::logic_error("a tensor is not found by its name");
  }
  for (const io::GgufFile& part : file.files()) {
    if (part.pairs().size() != part.metadata().values().size()) throw std::logic_error("a key is lost");
  }
  attempt([&] {
    const model::ModelConfig config = model::load_model_config(path);
    const model::Weights weights = model::load_weights(path, config);
    for (const model::TensorSpec& spec : model::list_tensors(config)) {
      const WeightView weight = weights.at(spec.name);
      std::vector<float> row(static_cast<std::size_t>(weight.cols));
      for (Index i = 0; i < weight.rows; ++i) weight.read_row(i, row.data());
    }
  });
  const text::Tokenizer tokenizer = model::load_gguf_tokenizer(path);
  static_cast<void>(tokenizer.decode(tokenizer.encode("It's 12.5 \xe2\x82\xac\r\n </s> na\xc3\xafve\xff")));
  static_cast<void>(model::gguf_tokenizer_config(path).dump());
}

constexpr std::array<Reader, 8> kReaders = {
    Reader{"safetensors", "x.safetensors", read_safetensors},
    Reader{"gguf", "x.gguf", read_gguf},
    Reader{"json", "adapter_config.json", read_json},
    Reader{"yaml", "x.yaml", read_yaml},
    Reader{"tokenizer", "tokenizer.json", read_tokenizer},
    Reader{"jsonl", "x.jsonl", read_records},
    Reader{"bitsandbytes", "model.safetensors", read_bitsandbytes},
    Reader{"packed", "x.bin", read_packed, 1},
};

}  // namespace

std::span<const Reader> readers() {
  return kReaders;
}

}  // namespace lorry::fuzz
