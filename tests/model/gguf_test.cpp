// Models in GGUF files: logits against transformers on the same weights, ids against the libraries that the
// tokenizers come from (scripts/golden/gguf_files.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <ostream>
#include <set>

#include "io/gguf.hpp"
#include "io/io_support.hpp"
#include "io/json_file.hpp"
#include "model/adapter_files.hpp"
#include "model/base_model.hpp"
#include "model/gguf_names.hpp"
#include "model/golden_case.hpp"
#include "model/inspect.hpp"
#include "model/loaded_model.hpp"
#include "support/near.hpp"

namespace lorry::model {
namespace {

struct GgufCase {
  const char* name;
  const char* file;
};

void PrintTo(const GgufCase& test, std::ostream* out) {
  *out << test.name;
}

std::filesystem::path gguf_golden(const std::string& file) {
  return golden_folder() / "gguf" / file;
}

std::vector<std::int32_t> read_ids(const io::TensorView& tensor) {
  std::vector<std::int64_t> wide(static_cast<std::size_t>(tensor.elements()));
  std::memcpy(wide.data(), tensor.bytes.data(), tensor.bytes.size());
  return {wide.begin(), wide.end()};
}

GoldenDocument document_of(std::vector<std::int32_t> ids) {
  std::vector<std::int32_t> targets(ids.size(), -1);
  return {.ids = std::move(ids), .targets = std::move(targets)};
}

class GgufGolden : public ::testing::TestWithParam<GgufCase> {
 protected:
  [[nodiscard]] static std::filesystem::path path() { return gguf_golden(GetParam().file); }
  [[nodiscard]] static LoadedModel open() { return open_model(path(), {}, DType::kF32, 1); }
};

TEST_P(GgufGolden, HasTheLogitsOfTransformers) {
  const LoadedModel model = open();
  const io::SafetensorsFile reference(gguf_golden(std::string(GetParam().name) + ".safetensors"));
  for (const std::string document : {"document.0", "document.1"}) {
    const data::Batch batch = pack({document_of(read_ids(reference.at(document + ".input_ids")))});
    const io::TensorView& want = reference.at(document + ".logits");
    const ConstMatrixView logits{want.bytes.data(), want.shape[0], want.shape[1], want.shape[1], want.dtype};
    EXPECT_TRUE(testing::near(logits_of(*model.decoder, batch), ops::reference::dense<double>(logits),
                              {.max_rel = 1e-4, .cosine = 1e-8}))
        << document;
  }
}

TEST_P(GgufGolden, TokenizerGivesTheIdsOfItsSource) {
  const LoadedModel model = open();
  const io::Json texts = io::read_json_file(gguf_golden(std::string(GetParam().name) + ".tokens.json"));
  ASSERT_GE(texts.size(), 12U);
  for (const auto& [text, ids] : texts.items()) {
    EXPECT_EQ(model.tokenizer->encode(text), ids.get<std::vector<std::int32_t>>()) << text;
    EXPECT_EQ(model.tokenizer->decode(model.tokenizer->encode(text)).find('\xEF'), std::string::npos) << text;
  }
}

TEST_P(GgufGolden, EveryTensorHasAName) {
  const io::GgufModel file(path());
  const ModelConfig config = load_model_config(path());
  std::set<std::string> names;
  for (const TensorSpec& spec : list_tensors(config)) names.insert(gguf_name(config, spec));
  names.insert("rope_freqs.weight");
  for (const auto& [name, tensor] : file.tensors()) EXPECT_TRUE(names.contains(name)) << name;
}

TEST_P(GgufGolden, InspectCountsWhatTheFileHolds) {
  const ModelSummary summary = inspect_model(path());
  const io::GgufModel file(path());
  EXPECT_EQ(summary.files, std::ssize(file.files()));
  Index elements = 0;
  for (const auto& [type, count] : summary.dtypes) elements += count;
  EXPECT_EQ(elements - summary.parameters(), file.find("rope_freqs.weight") == nullptr ? 0 : 8);
}

INSTANTIATE_TEST_SUITE_P(Files, GgufGolden,
                         ::testing::Values(GgufCase{"llama-k", "llama-k.gguf"},
                                           GgufCase{"llama-dense", "llama-dense-00001-of-00002.gguf"},
                                           GgufCase{"qwen2", "qwen2.gguf"}, GgufCase{"qwen3", "qwen3.gguf"},
                                           GgufCase{"gpt2", "gpt2.gguf"}),
                         [](const auto& test) {
                           std::string name = test.param.name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(GgufFiles, CoverEveryTypeAndStayPacked) {
  std::set<std::string_view> types;
  for (const char* name : {"llama-k.gguf", "llama-dense-00001-of-00002.gguf", "qwen2.gguf", "qwen3.gguf"}) {
    const std::filesystem::path path = gguf_golden(name);
    const Weights weights = load_weights(path, load_model_config(path));
    for (const TensorSpec& spec : list_tensors(load_model_config(path))) {
      types.insert(weights.at(spec.name).type_name());
    }
  }
  for (Index format = 0; format <= static_cast<Index>(BlockFormat::kIQ4_NL); ++format) {
    const BlockFacts& facts = facts_of(static_cast<BlockFormat>(format));
    EXPECT_TRUE(types.contains(facts.name)) << facts.name;
  }
}

TEST(GgufFiles, GiveBeginAndEndAndChatTemplate) {
  const LoadedModel qwen = open_model(gguf_golden("qwen2.gguf"), {}, DType::kF32, 1);
  EXPECT_EQ(qwen.tokenizer->token(397), "<|endoftext|>");
  EXPECT_EQ(begin_token(qwen), 397);
  EXPECT_EQ(stop_tokens(qwen), std::vector<std::int32_t>{399});
  EXPECT_TRUE(qwen.tokenizer->is_special(398));
  EXPECT_EQ(choose_chat_template(text_of(qwen), "", "records").name, "chatml");
  const LoadedModel llama = open_model(gguf_golden("llama-k.gguf"), {}, DType::kF32, 1);
  EXPECT_EQ(begin_token(llama), 1);
  EXPECT_EQ(stop_tokens(llama), std::vector<std::int32_t>{2});
  EXPECT_EQ(llama.tokenizer->add_bos_token(), true);
  EXPECT_FALSE(llama.tokenizer->chat_template().has_value());
}

/// An adapter made on the file computes the same on the dense weights of Hugging Face's order.
TEST(GgufFiles, AdaptersAreInHuggingFacesOrder) {
  const std::filesystem::path path = gguf_golden("llama-k.gguf");
  LoadedModel packed = open_model(path, {}, DType::kF32, 1);
  PeftConfig config;
  config.r = 4;
  config.lora_alpha = 8;
  config.target_modules = parse_target_modules("q_proj,k_proj,down_proj");
  config.base_model_name_or_path = path.string();
  Adapter adapter = Adapter::create(config, *packed.decoder, 3);
  for (const auto& entry : adapter.entries()) {
    Matrix& b = entry->update.b_transposed;
    for (Index i = 0; i < b.rows(); ++i) {
      for (Index j = 0; j < b.cols(); ++j) b.row<float>(i)[j] = 0.01F * static_cast<float>((i * 7 + j) % 13);
    }
  }
  const io::ScratchFolder folder;
  save_adapter(folder.path(), adapter);
  adapter.attach(*packed.decoder);
  EXPECT_EQ(base_model_of(folder.path()), path);

  Weights dense;
  for (const TensorSpec& spec : list_tensors(packed.config)) {
    const WeightView from = packed.weights.at(spec.name);
    Matrix copy(from.rows, from.cols);
    for (Index i = 0; i < from.rows; ++i) from.read_row(i, copy.row<float>(i));
    dense.add(spec.name, copy.view());
    dense.keep(std::move(copy));
  }
  Decoder decoder(*packed.ops, packed.config, dense, DType::kF32);
  Adapter again = load_adapter(folder.path(), decoder);
  again.attach(decoder);
  const data::Batch batch = pack({document_of({5, 77, 300, 9, 10})});
  const Matrix want = logits_of(decoder, batch);
  const Matrix got = logits_of(*packed.decoder, batch);
  EXPECT_TRUE(testing::near(got, ops::reference::dense<double>(want), testing::kF32Tolerance));
}

}  // namespace
}  // namespace lorry::model
