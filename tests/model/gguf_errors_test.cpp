// GGUF files that say what Lorry does not do, or contradict themselves.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "io/gguf.hpp"
#include "io/gguf_bytes.hpp"
#include "io/io_support.hpp"
#include "model/config.hpp"
#include "model/gguf_merges.hpp"
#include "model/gguf_tokenizer.hpp"
#include "model/weights.hpp"

namespace lorry::model {
namespace {

using io::GgufBytes;
using io::GgufKind;

constexpr std::uint32_t kF32Number = 0;
constexpr std::uint32_t kQ8_0Number = 8;

/// The pieces of a small file of Llama's, to be changed before it is written.
struct SmallFile {
  struct Tensor {
    std::string name;
    std::vector<std::uint64_t> sizes;  // in the file's order
    std::uint32_t type = kF32Number;
  };
  std::vector<std::pair<std::string, std::string>> texts = {{"general.architecture", "llama"},
                                                            {"tokenizer.ggml.model", "llama"}};
  std::vector<std::pair<std::string, std::uint32_t>> numbers = {
      {"llama.block_count", 1},          {"llama.context_length", 8},
      {"llama.embedding_length", 32},    {"llama.feed_forward_length", 32},
      {"llama.attention.head_count", 2}, {"tokenizer.ggml.bos_token_id", 1}};
  float eps = 1e-5F;
  std::vector<std::string> tokens = {"<unk>", "<s>", "a", "b", "ab"};
  std::vector<float> scores = {0, 0, -2, -3, -1};
  std::vector<std::int32_t> types = {2, 3, 1, 1, 1};
  std::vector<Tensor> tensors = {{"token_embd.weight", {32, 5}},         {"output_norm.weight", {32}},
                                 {"blk.0.attn_norm.weight", {32}},       {"blk.0.attn_q.weight", {32, 32}},
                                 {"blk.0.attn_k.weight", {32, 32}},      {"blk.0.attn_v.weight", {32, 32}},
                                 {"blk.0.attn_output.weight", {32, 32}}, {"blk.0.ffn_norm.weight", {32}},
                                 {"blk.0.ffn_gate.weight", {32, 32}},    {"blk.0.ffn_up.weight", {32, 32}},
                                 {"blk.0.ffn_down.weight", {32, 32}}};

  Tensor& tensor(std::string_view name) {
    return *std::find_if(tensors.begin(), tensors.end(), [&](const Tensor& one) { return one.name == name; });
  }
  std::uint32_t& number(std::string_view key) {
    return std::find_if(numbers.begin(), numbers.end(), [&](const auto& one) { return one.first == key; })
        ->second;
  }

  [[nodiscard]] std::string bytes() const {
    GgufBytes file;
    file.head(tensors.size(), texts.size() + numbers.size() + 4);
    for (const auto& [key, value] : texts) file.key(key, GgufKind::kString).text(value);
    for (const auto& [key, value] : numbers) file.key(key, GgufKind::kU32).number(value);
    file.key("llama.attention.layer_norm_rms_epsilon", GgufKind::kF32).number(eps);
    file.key("tokenizer.ggml.tokens", GgufKind::kArray).list(GgufKind::kString, tokens.size());
    for (const std::string& token : tokens) file.text(token);
    file.key("tokenizer.ggml.scores", GgufKind::kArray).list(GgufKind::kF32, scores.size());
    for (const float score : scores) file.number(score);
    file.key("tokenizer.ggml.token_type", GgufKind::kArray).list(GgufKind::kI32, types.size());
    for (const std::int32_t type : types) file.number(type);
    std::uint64_t offset = 0;
    for (const Tensor& one : tensors) {
      file.tensor(one.name, one.sizes, one.type, offset);
      std::uint64_t elements = 1;
      for (const std::uint64_t size : one.sizes) elements *= size;
      offset += (elements * 4 + 31) / 32 * 32;  // as F32, whatever it is
    }
    return file.align().zeros(offset).bytes();
  }
};

std::string error_after(const std::function<void(SmallFile&)>& change) {
  SmallFile file;
  change(file);
  const io::ScratchFolder folder;
  const std::filesystem::path path = folder / "x.gguf";
  io::put(path, file.bytes());
  const std::string error = io::error_of([&] {
    load_weights(path, load_model_config(path));
    static_cast<void>(load_gguf_tokenizer(path));
  });
  const std::string start = "[load] " + path.string() + ": ";
  return error.starts_with(start) ? error.substr(start.size()) : error;
}

TEST(GgufErrors, NothingIsWrongUnchanged) {
  EXPECT_EQ(error_after([](SmallFile& /*file*/) {}), "no error");
}

TEST(GgufErrors, OtherArchitectures) {
  EXPECT_EQ(error_after([](SmallFile& file) { file.texts[0].second = "gemma3"; }),
            "key \"general.architecture\": found \"gemma3\"; expected one of gpt2, llama, qwen2, qwen3");
  EXPECT_EQ(error_after([](SmallFile& file) { file.texts.emplace_back("general.type", "adapter"); }),
            "key \"general.type\": found \"adapter\"; expected \"model\"");
  EXPECT_EQ(error_after([](SmallFile& file) { file.numbers.emplace_back("llama.expert_count", 8); }),
            "key \"llama.expert_count\": found a mixture of experts; expected 0: a dense model");
}

TEST(GgufErrors, SizesThatAreMissingOrDisagree) {
  EXPECT_EQ(error_after([](SmallFile& file) { file.numbers.erase(file.numbers.begin()); }),
            "key \"llama.block_count\": found nothing; expected an integer from 1 to 4096");
  EXPECT_EQ(error_after([](SmallFile& file) { file.number("llama.attention.head_count") = 0; }),
            "key \"llama.attention.head_count\": found 0; expected an integer from 1 to 32");
  EXPECT_EQ(error_after([](SmallFile& file) { file.numbers.emplace_back("llama.rope.dimension_count", 8); }),
            "key \"llama.rope.dimension_count\": found 8; expected 16, the size of the heads");
  EXPECT_EQ(error_after([](SmallFile& file) { file.number("llama.feed_forward_length") = 64; }),
            "tensor \"blk.0.ffn_gate.weight\": found [32,32]; expected [64,32], as the metadata says");
}

TEST(GgufErrors, RopeScalingsThatAreNotSupported) {
  EXPECT_EQ(error_after([](SmallFile& file) { file.texts.emplace_back("llama.rope.scaling.type", "yarn"); }),
            "key \"llama.rope.scaling.type\": found \"yarn\"; expected none or linear");
  EXPECT_EQ(error_after([](SmallFile& file) {
              file.tensors.push_back({"rope_freqs.weight", {4}});
            }),
            "tensor \"rope_freqs.weight\": found F32 [4]; expected F32 [8]");
  EXPECT_EQ(error_after([](SmallFile& file) {
              file.tensors.push_back({"rope_freqs.weight", {8}});
            }),
            "tensor \"rope_freqs.weight\": found 0; expected numbers above 0");
}

TEST(GgufErrors, TensorsThatAreMissingOrTooMany) {
  EXPECT_EQ(error_after([](SmallFile& file) { file.tensors.pop_back(); }),
            "tensor \"blk.0.ffn_down.weight\": missing; expected one of shape [32,32]");
  EXPECT_EQ(
      error_after([](SmallFile& file) {
        file.tensors.push_back({"blk.1.attn_norm.weight", {32}});
      }),
      "tensor \"blk.1.attn_norm.weight\": found F32 [32]; expected none of that name in a model of llama "
      "with 1 layers");
}

TEST(GgufErrors, TypesThatAreNotSupported) {
  EXPECT_EQ(error_after([](SmallFile& file) { file.tensor("blk.0.ffn_up.weight").type = 24; }),
            "tensor \"blk.0.ffn_up.weight\": found type I8; expected F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, "
            "Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL");
  EXPECT_EQ(error_after([](SmallFile& file) { file.tensor("output_norm.weight").type = kQ8_0Number; }),
            "tensor \"output_norm.weight\": found Q8_0; expected F32, F16 or BF16, since it is a vector");
}

TEST(GgufErrors, Tokenizers) {
  EXPECT_EQ(error_after([](SmallFile& file) { file.texts[1].second = "bert"; }),
            "key \"tokenizer.ggml.model\": found \"bert\"; expected gpt2 or llama");
  EXPECT_EQ(error_after([](SmallFile& file) { file.texts[1].second = "gpt2"; }),
            "key \"tokenizer.ggml.pre\": found nothing; expected the name of one");
  EXPECT_EQ(error_after([](SmallFile& file) { file.scores.pop_back(); }),
            "key \"tokenizer.ggml.scores\": found 4 entries; expected 5, as there are tokens");
  EXPECT_EQ(error_after([](SmallFile& file) { file.scores[2] = std::nanf(""); }),
            "key \"tokenizer.ggml.scores\": found nan; expected finite numbers");
  EXPECT_EQ(error_after([](SmallFile& file) { file.types.push_back(1); }),
            "key \"tokenizer.ggml.token_type\": found 6 entries; expected 5, as there are tokens");
  EXPECT_EQ(
      error_after([](SmallFile& file) { file.tokens[3] = "a"; }),
      "key \"tokenizer.ggml.tokens\": found token 3 \"a\", which stands before; expected every token once");
  EXPECT_EQ(error_after([](SmallFile& file) { file.tokens[3] = "\xff"; }),
            "key \"tokenizer.ggml.tokens\": found token 3 that is not UTF-8; expected valid UTF-8");
  EXPECT_EQ(error_after([](SmallFile& file) { file.number("tokenizer.ggml.bos_token_id") = 5; }),
            "key \"tokenizer.ggml.bos_token_id\": found 5; expected an integer from 0 to 4");
  const std::string unknown = error_after([](SmallFile& file) {
    file.texts[1].second = "gpt2";
    file.texts.emplace_back("tokenizer.ggml.pre", "gemma4");
  });
  EXPECT_TRUE(unknown.starts_with("key \"tokenizer.ggml.pre\": found \"gemma4\"; supported: gpt-2, "))
      << unknown;
}

TEST(GgufMerges, AreRankedByTheScoreOfTheirUnion) {
  const std::vector<std::string> pieces = {"<s>", "a", "b", "ab", "ba", "aba", "\xC3\xA9", "a\xC3\xA9"};
  const std::vector<double> scores = {0, -5, -6, -2, -3, -1, -7, -4};
  std::vector<bool> skip(pieces.size(), false);
  skip[0] = true;
  using Pair = std::pair<std::string_view, std::string_view>;
  EXPECT_EQ(merges_by_score(pieces, scores, skip),
            (std::vector<Pair>{{"ab", "a"}, {"a", "ba"}, {"a", "b"}, {"b", "a"}, {"a", "\xC3\xA9"}}));
  skip[3] = true;
  EXPECT_EQ(merges_by_score(pieces, scores, skip),
            (std::vector<Pair>{{"a", "ba"}, {"b", "a"}, {"a", "\xC3\xA9"}}));
}

}  // namespace
}  // namespace lorry::model
