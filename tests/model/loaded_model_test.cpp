// A real model folder opened as the commands open it: its text, and the mistakes that opening finds.
#include "model/loaded_model.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "data/packing.hpp"
#include "generate/generator.hpp"
#include "io/io_support.hpp"
#include "model/golden_case.hpp"

namespace lorry::model {
namespace {

class Stories260k : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(folder_)) GTEST_SKIP() << "no " << folder_;
  }

  std::filesystem::path folder_ = std::filesystem::path(LORRY_SOURCE_DIR) / "../shared/data/stories260k";
};

TEST_F(Stories260k, GreedyTextIsThatOfTheReferenceProgram) {
  const LoadedModel model = open_model(folder_, {}, DType::kF32, 1);
  std::vector<std::int32_t> ids = {model.config.bos_token_ids.front()};
  const generate::GenerationOptions options = {
      .max_new_tokens = 256, .sampler = {}, .stop_ids = stop_tokens(model)};
  const std::vector<std::int32_t> more = generate::generate(*model.decoder, ids, options).ids;
  ids.insert(ids.end(), more.begin(), more.end());
  EXPECT_EQ(model.tokenizer->decode(ids) + "\n", io::get(folder_ / "expected_greedy.txt"));

  // The same tokens in one pass without a cache: each row's best logit is the next token.
  const std::vector<data::Document> documents = {{.ids = ids, .targets_from = 1}};
  const data::Batch batch = data::make_batch(documents, std::vector<data::Sequence>{{0}}, 1);
  Matrix logits(batch.rows(), model.config.vocab_size);
  Decoder::Workspace workspace;
  model.decoder->logits(batch, workspace, logits);
  for (Index t = 0; t + 1 < batch.rows(); ++t) {
    const float* row = logits.row<float>(t);
    EXPECT_EQ(std::max_element(row, row + logits.cols()) - row, ids[static_cast<std::size_t>(t + 1)]) << t;
  }
}

TEST_F(Stories260k, TokenizerOfAnotherModelIsRefused) {
  const io::ScratchFolder scratch;  // llama has a vocabulary of 101
  const std::filesystem::path llama = golden_folder() / "families/llama/model";
  for (const char* file : {"config.json", "model.safetensors"}) {
    std::filesystem::create_symlink(llama / file, scratch / file);
  }
  std::filesystem::create_symlink(std::filesystem::canonical(folder_ / "tokenizer.json"),
                                  scratch / "tokenizer.json");
  EXPECT_EQ(
      io::error_of([&] { open_model(scratch.path(), {}, DType::kF32, 1); }),
      "[load] " + scratch.path().string() +
          ": the tokenizer has 512 tokens; config.json says vocab_size 101; tokenizer of another model?");
}

/// Logits behind a token that follows two others.
std::vector<float> decoded(const LoadedModel& model) {
  const std::array<std::int32_t, 3> ids = {5, 9, 13};
  Decoder::Generation generation = model.decoder->start_generation(8);
  model.decoder->extend(generation, std::span(ids).first(2));
  const std::span<const float> logits = model.decoder->extend(generation, std::span(ids).last(1));
  return {logits.begin(), logits.end()};
}

TEST(LoadedModel, IntegerDecodingOutlivesTheDecoderItBeganWith) {
  LoadedModel model = open_model(golden_folder() / "gguf/llama-k.gguf", {}, DType::kF32, 1);
  const std::vector<float> in_float = decoded(model);
  prepare_generation(model, std::nullopt, 1);
  const std::vector<float> in_integers = decoded(model);
  EXPECT_NE(in_integers, in_float);
  stream_weights(model, model.weights.least_streamed(model.config));
  EXPECT_EQ(decoded(model), in_integers);
  stream_weights(model, std::nullopt);
  EXPECT_EQ(decoded(model), in_integers);
  prepare_generation(model, nn::Int8Products::kNone, 1);
  EXPECT_EQ(decoded(model), in_float);
}

TEST(LoadedModel, FoldersThatAreNoModels) {
  const io::ScratchFolder scratch;
  EXPECT_NE(io::error_of([&] { open_model(scratch / "absent", {}, {}, 1); }).find("absent: not a folder"),
            std::string::npos);
  EXPECT_NE(io::error_of([&] { open_model(scratch.path(), {}, {}, 1); }).find("config.json"),
            std::string::npos);
  const std::filesystem::path model = golden_folder() / "families/llama/model";  // has no tokenizer
  const std::string error = io::error_of([&] { open_model(model, {}, {}, 1); });
  EXPECT_NE(error.find("tokenizer.json"), std::string::npos) << error;
}

}  // namespace
}  // namespace lorry::model
