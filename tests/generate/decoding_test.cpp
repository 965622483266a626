// Greedy decoding and beam search against transformers, token for token in float32.
#include <gtest/gtest.h>

#include <map>

#include "core/error.hpp"
#include "generate/beam_search.hpp"
#include "io/json_file.hpp"
#include "model/golden_case.hpp"

namespace lorry::generate {
namespace {

using Ids = std::vector<std::int32_t>;

EarlyStopping early_stopping(const io::Json& options) {
  const auto found = options.find("early_stopping");
  if (found == options.end()) return EarlyStopping::kFalse;
  return found->is_string() ? EarlyStopping::kNever : EarlyStopping::kTrue;
}

struct DecodingCase {
  std::string model;
  Ids prompt;
  GenerationOptions options;
  BeamOptions beams;
  Ids want;
  double score = 0;
  std::string text;  // for messages
};

std::vector<DecodingCase> read_cases(bool beams) {
  const io::Json golden = io::read_json_file(model::golden_folder() / "generation/decoding.json");
  std::vector<DecodingCase> cases;
  for (const io::Json& json : golden.at("cases")) {
    const io::Json& options = json.at("options");
    if (options.contains("num_beams") != beams) continue;
    DecodingCase test;
    test.model = json.at("model");
    test.prompt = json.at("prompt").get<Ids>();
    test.options = {
        .max_new_tokens = golden.at("provenance").at("max_new_tokens"),
        .sampler = {.history = {.repetition_penalty = options.value("repetition_penalty", 1.0F),
                                .no_repeat_ngram_size = options.value("no_repeat_ngram_size", Index{0})}},
        .stop_ids = json.at("stops").get<Ids>()};
    test.beams = {.num_beams = options.value("num_beams", Index{1}),
                  .length_penalty = options.value("length_penalty", 1.0F),
                  .early_stopping = early_stopping(options)};
    test.want = json.at("ids").get<Ids>();
    test.score = json.value("score", 0.0);
    test.text = json.dump();
    cases.push_back(test);
  }
  return cases;
}

class Decoding : public ::testing::Test {
 protected:
  model::Decoder& decoder(const std::string& name) {
    auto& found = models_[name];
    if (!found) found = std::make_unique<model::GoldenCase>(name);
    return found->decoder();
  }

 private:
  std::map<std::string, std::unique_ptr<model::GoldenCase>> models_;
};

TEST_F(Decoding, GreedyEqualsTransformers) {
  const std::vector<DecodingCase> cases = read_cases(false);
  ASSERT_GE(cases.size(), 80U);
  for (const DecodingCase& test : cases) {
    const GenerationResult got = generate(decoder(test.model), test.prompt, test.options);
    EXPECT_EQ(got.ids, test.want) << test.text;
    EXPECT_EQ(got.stopped, static_cast<Index>(test.want.size()) < test.options.max_new_tokens) << test.text;
    EXPECT_EQ(got.prompt_tokens, static_cast<Index>(test.prompt.size()));
  }
}

TEST_F(Decoding, BeamSearchEqualsTransformers) {
  const std::vector<DecodingCase> cases = read_cases(true);
  ASSERT_GE(cases.size(), 120U);
  for (const DecodingCase& test : cases) {
    const BeamSearchResult got = beam_search(decoder(test.model), test.prompt, test.options, test.beams);
    EXPECT_EQ(got.text.ids, test.want) << test.text;
    EXPECT_EQ(got.text.stopped, static_cast<Index>(test.want.size()) < test.options.max_new_tokens)
        << test.text;
    // Float32 on both sides: logits differ by 2e-6 and up to 20 of them are added.
    EXPECT_NEAR(got.score, test.score, 1e-5 * (1 - test.score)) << test.text;
  }
}

TEST_F(Decoding, OneBeamIsGreedy) {
  for (const DecodingCase& test : read_cases(false)) {
    if (test.options.sampler.history.repetition_penalty != 1.0F)
      continue;  // of logits here, of their logs there
    const BeamSearchResult got = beam_search(decoder(test.model), test.prompt, test.options, test.beams);
    EXPECT_EQ(got.text.ids, test.want) << test.text;
  }
}

std::string beam_error(model::Decoder& decoder, const GenerationOptions& options, const BeamOptions& beams) {
  try {
    beam_search(decoder, Ids{1, 2}, options, beams);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST_F(Decoding, BeamSearchRefusesWhatItCannotDo) {
  model::Decoder& llama = decoder("llama");  // 101 tokens
  const GenerationOptions options = {.max_new_tokens = 4, .stop_ids = {1, 2}};
  EXPECT_EQ(beam_error(llama, options, {.num_beams = 33}), "no error");
  EXPECT_EQ(beam_error(llama, options, {.num_beams = 34}),
            "[generate] --num-beams: found 34; expected at most 33, since this model has 101 tokens");
  EXPECT_EQ(beam_error(llama, options, {.num_beams = 1001}),
            "[generate] --num-beams: found 1001; expected 1 to 1000");
  EXPECT_EQ(beam_error(llama, {.sampler = {.temperature = 0.5F}}, {.num_beams = 2}),
            "[generate] --num-beams, --temperature: found 2 and 0.5; expected 1 beam, or temperature 0");
  EXPECT_NE(beam_error(decoder("gpt2"), {.max_new_tokens = 64}, {.num_beams = 2}).find("--max-new-tokens"),
            std::string::npos)
      << "64 positions";
  EXPECT_EQ(beam_error(decoder("gpt2"), {.max_new_tokens = 63}, {.num_beams = 2}), "no error");
}

TEST_F(Decoding, NothingToWriteIsNothing) {
  const GenerationOptions options = {.max_new_tokens = 0};
  EXPECT_TRUE(generate(decoder("llama"), Ids{1, 2}, options).ids.empty());
  EXPECT_TRUE(beam_search(decoder("llama"), Ids{1, 2}, options, {.num_beams = 3}).text.ids.empty());
}

TEST_F(Decoding, OnTokenEndsTheText) {
  Ids told;
  const GenerationResult got =
      generate(decoder("llama"), Ids{1, 2}, {.max_new_tokens = 10}, [&](std::int32_t id) {
        told.push_back(id);
        return told.size() < 3;
      });
  EXPECT_EQ(got.ids, told);
  EXPECT_EQ(told.size(), 3U);
  EXPECT_TRUE(got.stopped);
  EXPECT_EQ(got.decode_steps, 2);
}

}  // namespace
}  // namespace lorry::generate
