// GGUF adapters against the PEFT adapters that they were made of. llama.cpp itself loads them in
// scripts/golden/check_gguf_adapter.py.
#include "model/gguf_adapter.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "io/gguf.hpp"
#include "io/io_support.hpp"
#include "io/json_file.hpp"
#include "model/golden_case.hpp"

namespace lorry::model {
namespace {

using io::GgufFile;
using io::GgufTensor;
using io::ScratchFolder;

const GgufTensor& tensor_of(const GgufFile& file, const std::string& name) {
  for (const GgufTensor& tensor : file.tensors()) {
    if (tensor.name == name) return tensor;
  }
  ADD_FAILURE() << "no tensor " << name;
  return file.tensors().front();
}

/// Element (i, j) of an F32 or F16 matrix.
float element(const GgufTensor& tensor, Index i, Index j) {
  const Index at = i * tensor.shape[1] + j;
  if (tensor.type->name == "F32") return reinterpret_cast<const float*>(tensor.bytes.data())[at];
  return to_float(reinterpret_cast<const F16*>(tensor.bytes.data())[at]);
}

/// "blk.1.attn_q" for "model.layers.1.self_attn.q_proj".
std::string name_in_llama_cpp(const std::string& module) {
  constexpr std::array<std::pair<const char*, const char*>, 11> kNames = {
      {{"self_attn.q_proj", "attn_q"},
       {"self_attn.k_proj", "attn_k"},
       {"self_attn.v_proj", "attn_v"},
       {"self_attn.o_proj", "attn_output"},
       {"mlp.gate_proj", "ffn_gate"},
       {"mlp.up_proj", "ffn_up"},
       {"mlp.down_proj", "ffn_down"},
       {"attn.c_attn", "attn_qkv"},
       {"attn.c_proj", "attn_output"},
       {"mlp.c_fc", "ffn_up"},
       {"mlp.c_proj", "ffn_down"}}};
  if (module == "lm_head") return "output";
  if (module == "model.embed_tokens") return "token_embd";
  for (const auto& [theirs, ours] : kNames) {
    if (!module.ends_with(std::string(".") + theirs)) continue;
    const std::string block = module.substr(0, module.size() - std::string(theirs).size() - 1);
    return "blk." + block.substr(block.rfind('.') + 1) + "." + ours;
  }
  ADD_FAILURE() << module;
  return "";
}

/// Where convert_hf_to_gguf.py puts row `row` of q_proj or k_proj: halves of a head take turns.
Index turned_row(Index row, Index head) {
  const Index half = row % head / (head / 2);
  return row - row % head + 2 * (row % (head / 2)) + half;
}

/// Every update of the file is that of the folder: its product as llama.cpp forms it, within `tolerance` of
/// the largest element.
void expect_same_updates(const GgufFile& file, Decoder& decoder, const std::filesystem::path& folder,
                         double tolerance) {
  const Adapter adapter = load_adapter(folder, decoder, PartsAs::kStacked);
  const double alpha = file.metadata().find_number("adapter.lora.alpha").value_or(0);
  const ModelConfig& config = decoder.config();
  const bool turned = config.model_type == "llama" || config.model_type == "mistral";
  ASSERT_EQ(file.tensors().size(), 2 * adapter.entries().size());
  for (const auto& entry : adapter.entries()) {
    const std::string name = name_in_llama_cpp(entry->module) + ".weight";
    const GgufTensor& a = tensor_of(file, name + ".lora_a");
    const GgufTensor& b = tensor_of(file, name + ".lora_b");
    const nn::LowRankUpdate& update = entry->update;
    ASSERT_EQ(a.shape, (std::vector<Index>{update.rank, update.a.cols()})) << name;
    ASSERT_EQ(b.shape, (std::vector<Index>{update.b_transposed.cols(), update.rank})) << name;
    const bool interleaved =
        turned && (entry->module.ends_with("q_proj") || entry->module.ends_with("k_proj"));
    double largest = 0;
    double difference = 0;
    for (Index i = 0; i < b.shape[0]; ++i) {
      const Index row = interleaved ? turned_row(i, config.head_dim) : i;
      for (Index k = 0; k < a.shape[1]; ++k) {
        double want = 0;
        double got = 0;
        for (Index r = 0; r < update.rank; ++r) {
          want += static_cast<double>(update.b_transposed.row<float>(r)[i]) * update.a.row<float>(r)[k];
          got += static_cast<double>(element(b, row, r)) * element(a, r, k);
        }
        want *= update.scale;
        got *= alpha / static_cast<double>(update.rank);
        largest = std::max(largest, std::abs(want));
        difference = std::max(difference, std::abs(got - want));
      }
    }
    EXPECT_GT(largest, 0) << name;
    EXPECT_LE(difference, tolerance * largest) << name;
  }
}

/// Rounding of alpha / rank, and of a folded factor.
constexpr double kF32Rounding = 3e-7;

class GgufAdapterFamilies : public ::testing::TestWithParam<const char*> {};

TEST_P(GgufAdapterFamilies, HasTheUpdatesInTheNamesAndOrderOfLlamaCpp) {
  GoldenCase golden(GetParam());
  const ScratchFolder scratch;
  const GgufAdapterReport report = export_gguf_adapter(golden.folder() / "model", golden.folder() / "adapter",
                                                       scratch / "x.gguf", DType::kF32);
  const GgufFile file(scratch / "x.gguf");
  const std::string family = golden.decoder().config().model_type;
  EXPECT_EQ(file.metadata().get_string("general.architecture"), family == "mistral" ? "llama" : family);
  EXPECT_EQ(file.metadata().get_string("general.type"), "adapter");
  EXPECT_EQ(file.metadata().get_string("adapter.type"), "lora");
  EXPECT_EQ(static_cast<std::size_t>(report.updates) * 2, file.tensors().size());
  EXPECT_EQ(static_cast<Index>(std::filesystem::file_size(scratch / "x.gguf")), report.bytes);
  expect_same_updates(file, golden.decoder(), golden.folder() / "adapter", kF32Rounding);
}

INSTANTIATE_TEST_SUITE_P(Families, GgufAdapterFamilies,
                         ::testing::Values("llama", "llama3", "mistral", "qwen2", "qwen3", "gpt2"));

TEST(GgufAdapter, FoldsScalesThatDiffer) {
  GoldenCase golden("llama");
  const std::filesystem::path model = golden.folder() / "model";
  const ScratchFolder scratch;
  const std::filesystem::path patterns = golden_folder() / "adapters/accepted/patterns";
  EXPECT_GT(export_gguf_adapter(model, patterns, scratch / "x.gguf", DType::kF32).folded, 0);
  expect_same_updates(GgufFile(scratch / "x.gguf"), golden.decoder(), patterns, kF32Rounding);
  for (const char* name : {"llama.rslora", "llama.rslora_patterns"}) {
    const std::filesystem::path rslora = golden_folder() / "variants/adapters" / name;
    export_gguf_adapter(model, rslora, scratch / "x.gguf", DType::kF32);
    expect_same_updates(GgufFile(scratch / "x.gguf"), golden.decoder(), rslora, kF32Rounding);
  }
}

TEST(GgufAdapter, KeepsTheBitsWhereThereIsOneScale) {
  GoldenCase golden("qwen2");
  const ScratchFolder scratch;
  const auto report = export_gguf_adapter(golden.folder() / "model", golden.folder() / "adapter",
                                          scratch / "x.gguf", DType::kF32);
  EXPECT_EQ(report.folded, 0);
  const GgufFile file(scratch / "x.gguf");
  const io::SafetensorsFile peft(golden.folder() / "adapter/adapter_model.safetensors");
  std::size_t seen = 0;
  for (const io::TensorView& tensor : peft.tensors()) {
    const bool a = tensor.name.ends_with(".lora_A.weight");
    const std::string module = tensor.name.substr(17, tensor.name.size() - 17 - 14);
    const GgufTensor& ours =
        tensor_of(file, name_in_llama_cpp(module) + ".weight" + (a ? ".lora_a" : ".lora_b"));
    EXPECT_TRUE(std::ranges::equal(ours.bytes, tensor.bytes)) << tensor.name;
    ++seen;
  }
  EXPECT_EQ(seen, file.tensors().size());
}

TEST(GgufAdapter, WritesHalfPrecisionWhereAskedFor) {
  GoldenCase golden("llama");
  const ScratchFolder scratch;
  export_gguf_adapter(golden.folder() / "model", golden.folder() / "adapter", scratch / "x.gguf",
                      DType::kF16);
  const GgufFile file(scratch / "x.gguf");
  for (const GgufTensor& tensor : file.tensors()) EXPECT_EQ(tensor.type->name, "F16") << tensor.name;
  EXPECT_EQ(file.metadata().get_index("general.file_type", 0, 100), 1);
  // Eleven bits for either factor, and sums of four products.
  expect_same_updates(file, golden.decoder(), golden.folder() / "adapter", 4 * 2 * 0x1p-11);
}

TEST(GgufAdapter, HasEmbeddingsTheOtherWayRound) {
  GoldenCase golden("llama");
  const std::filesystem::path adapter = golden_folder() / "beside/embed/adapter";
  const ScratchFolder scratch;
  export_gguf_adapter(golden.folder() / "model", adapter, scratch / "x.gguf", DType::kF32);
  const GgufFile file(scratch / "x.gguf");
  const GgufTensor& a = tensor_of(file, "token_embd.weight.lora_a");
  const GgufTensor& b = tensor_of(file, "token_embd.weight.lora_b");
  const Adapter loaded = load_adapter(adapter, golden.decoder());
  const nn::EmbeddingUpdate& update = loaded.embeddings().at(0)->update;
  const auto scale = static_cast<float>(*file.metadata().find_number("adapter.lora.alpha") / b.shape[1]);
  ASSERT_EQ(a.shape, (std::vector<Index>{update.a_transposed.rows(), update.rank}));
  ASSERT_EQ(b.shape, (std::vector<Index>{update.b_transposed.cols(), update.rank}));
  for (Index r = 0; r < update.rank; ++r) {
    for (Index v = 0; v < a.shape[0]; ++v) {
      ASSERT_EQ(element(a, v, r), update.a_transposed.row<float>(v)[r]);
    }
    for (Index d = 0; d < b.shape[0]; ++d) {
      const float want = update.scale * update.b_transposed.row<float>(r)[d];
      ASSERT_NEAR(element(b, d, r) * scale, want, 1e-6F * std::abs(want));
    }
  }
}

struct RefusedExport {
  const char* label;
  const char* model;    // of tests/golden/families
  const char* adapter;  // folder in tests/golden
  const char* message;  // behind the adapter's name
  bool mergeable = true;
};

class RefusedExports : public ::testing::TestWithParam<RefusedExport> {};

TEST_P(RefusedExports, AreNamedAndLeaveNothing) {
  const std::filesystem::path adapter = golden_folder() / GetParam().adapter;
  const ScratchFolder scratch;
  const std::string text = io::error_of([&] {
    export_gguf_adapter(golden_folder() / "families" / GetParam().model / "model", adapter,
                        scratch / "x.gguf", DType::kF32);
  });
  EXPECT_EQ(text, "[export] " + adapter.string() + ": found " + GetParam().message +
                      (GetParam().mergeable ? "; or a merged model (lorry merge), which can hold it" : ""));
  EXPECT_TRUE(scratch.names().empty());
}

INSTANTIATE_TEST_SUITE_P(
    Adapters, RefusedExports,
    ::testing::Values(
        RefusedExport{"Dora", "llama", "variants/adapters/llama.dora",
                      "use_dora; expected an adapter without DoRA"},
        RefusedExport{"LoraBias", "llama", "beside/lora_bias_llama/adapter",
                      "lora_bias; expected an adapter without biases"},
        RefusedExport{"Biases", "qwen2", "beside/bias_lora_only_qwen2/adapter",
                      "model.layers.0.self_attn.q_proj.bias, trained in full; expected low-rank updates "
                      "alone"},
        RefusedExport{"ModulesToSave", "llama", "beside/saved/adapter",
                      "model.embed_tokens.weight, trained in full; expected low-rank updates alone"},
        RefusedExport{
            "Tokens", "llama", "beside/tokens/adapter",
            "trained rows of model.embed_tokens (trainable_token_indices); expected low-rank updates "
            "alone"},
        RefusedExport{"OtherVocabulary", "qwen3", "resized/untrained/adapter",
                      "another vocabulary than the model's; expected the model's own"},
        RefusedExport{
            "TiedEmbedding", "llama3", "beside/embed_alone_tied/adapter",
            "an update of model.embed_tokens; expected none there: the model ties head and embedding, "
            "which llama.cpp has as one tensor",
            false},
        RefusedExport{"Positions", "gpt2", "beside/embed_positions/adapter",
                      "an update of transformer.wpe; expected none there, since llama.cpp passes over "
                      "it"}),
    [](const auto& test) { return std::string(test.param.label); });

TEST(GgufAdapter, RefusesNumbersThatHalfPrecisionCannotHold) {
  GoldenCase golden("qwen2");
  const ScratchFolder scratch;
  Adapter adapter = golden.adapter();
  adapter.entries().front()->update.a.row<float>(0)[0] = 1e5F;
  std::filesystem::create_directory(scratch / "large");
  save_adapter(scratch / "large", adapter);
  const std::string text = io::error_of([&] {
    export_gguf_adapter(golden.folder() / "model", scratch / "large", scratch / "x.gguf", DType::kF16);
  });
  EXPECT_EQ(text, "[export] " + (scratch / "x.gguf").string() +
                      ": tensor \"blk.0.attn_q.weight.lora_a\": found a number too large for F16; expected "
                      "--type f32");
  EXPECT_EQ(scratch.names(), std::vector<std::string>{"large"});
}

}  // namespace
}  // namespace lorry::model
