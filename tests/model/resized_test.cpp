// Adapters of models with another number of tokens than their folder says, against PEFT:
// tests/golden/resized.
#include <gtest/gtest.h>

#include "io/io_support.hpp"
#include "io/json_file.hpp"
#include "model/golden_case.hpp"
#include "model/merge.hpp"
#include "model/peft_names.hpp"
#include "model/vocabulary.hpp"

namespace lorry::model {
namespace {

// Relative, in float32.
constexpr double kResizedLogits = 5e-6;
constexpr double kResizedGradient = 2e-5;

std::filesystem::path resized_goldens() {
  return golden_folder() / "resized";
}

/// One case: the family's model with as many tokens as PEFT's adapter was trained with.
class Resized : public ::testing::TestWithParam<const char*> {
 protected:
  Resized() : case_(io::read_json_file(resized_goldens() / "cases.json").at(GetParam())) {
    golden_ = std::make_unique<GoldenCase>(case_.at("family").get<std::string>());
    golden_->use_reference(folder() / "reference.safetensors");
    config_ = load_model_config(model());
    weights_ = load_weights(model(), config_);
    fit_vocabulary(folder() / "adapter", 0, config_, weights_);
    decoder_ = std::make_unique<Decoder>(golden_->ops(), config_, weights_, DType::kF32);
  }

  [[nodiscard]] static std::filesystem::path folder() { return resized_goldens() / GetParam(); }
  [[nodiscard]] std::filesystem::path model() const { return golden_->folder() / "model"; }
  [[nodiscard]] Index tokens() const { return case_.at("tokens").get<Index>(); }
  [[nodiscard]] Matrix logits(Decoder& decoder) const { return logits_of(decoder, golden_->labelled()); }

  io::Json case_;
  std::unique_ptr<GoldenCase> golden_;
  ModelConfig config_;
  Weights weights_;
  std::unique_ptr<Decoder> decoder_;
};

TEST_P(Resized, LogitsLossAndGradientsMatchPeft) {
  EXPECT_EQ(decoder_->config().vocab_size, tokens());
  Adapter adapter = load_adapter(folder() / "adapter", *decoder_);
  const std::vector<optim::Parameter> parameters = adapter.parameters();
  adapter.attach(*decoder_);
  EXPECT_LE(relative_difference(logits(*decoder_), golden_->tensor("logits")), kResizedLogits);
  const data::Batch rows = golden_->labelled();
  const auto targets = static_cast<float>(rows.target_count);
  Decoder::Workspace workspace;
  const double loss = decoder_->loss_and_gradient(rows, {.gradient_scale = 1.0F / targets}, workspace);
  EXPECT_NEAR(loss / targets, golden_->scalar("loss"), 1e-5);
  for (const optim::Parameter& parameter : parameters) {
    const Matrix want = golden_->tensor("grad." + parameter.name);
    const Matrix flat = transposed(parameter.gradient);
    const bool is_b = parameter.name.ends_with(kLoraB);
    EXPECT_LE(relative_difference(is_b ? flat.view() : ConstMatrixView(parameter.gradient), want),
              kResizedGradient)
        << parameter.name;
  }
}

TEST_P(Resized, SavedFilesHaveWhatPeftWrote) {
  const io::ScratchFolder scratch;
  save_adapter(scratch.path(), load_adapter(folder() / "adapter", *decoder_));
  const io::SafetensorsFile want(folder() / "adapter" / kAdapterWeightsFile);
  const io::SafetensorsFile got(scratch / kAdapterWeightsFile);
  std::size_t repeated = 0;
  for (const io::TensorView& tensor : want.tensors()) {
    // The rows of a tied head are the embedding's.
    const bool tied = module_of(tensor.name, kTokenRows) == "lm_head" && config_.tie_word_embeddings;
    if (tied || is_stray_copy(tensor.name)) {
      ++repeated;
      continue;
    }
    const io::TensorView& own = got.at(tensor.name);
    EXPECT_EQ(own.shape, tensor.shape) << tensor.name;
    EXPECT_TRUE(std::equal(own.bytes.begin(), own.bytes.end(), tensor.bytes.begin(), tensor.bytes.end()))
        << tensor.name;
  }
  EXPECT_EQ(got.tensors().size() + repeated, want.tensors().size());
}

TEST_P(Resized, MergedFoldersAreModelsOfThatVocabulary) {
  const io::ScratchFolder scratch;
  Index done = 0;
  Index total = 0;
  merge_adapter(golden_->ops(), model(), folder() / "adapter", scratch / "merged", [&](Index now, Index all) {
    done = now;
    total = all;
  });
  EXPECT_GT(done, 0);
  EXPECT_EQ(done, total);  // of the tables as they are written, not as they were
  const ModelConfig config = load_model_config(scratch / "merged");
  EXPECT_EQ(config.vocab_size, tokens());
  const Weights weights = load_weights(scratch / "merged", config);
  Decoder decoder(golden_->ops(), config, weights, DType::kF32);
  EXPECT_LE(relative_difference(logits(decoder), golden_->tensor("logits")), 1e-5);
}

TEST_P(Resized, AnotherVocabularyIsRefused) {
  const std::string error = io::error_of([&] { load_adapter(folder() / "adapter", golden_->decoder()); });
  EXPECT_TRUE(error.starts_with("[load] ")) << error;
}

INSTANTIATE_TEST_SUITE_P(Golden, Resized, ::testing::Values("untied", "tied", "untrained", "saved", "shrunk"),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace lorry::model
