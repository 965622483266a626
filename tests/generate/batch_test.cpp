// Several texts at once get the tokens that each gets alone.
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "core/rng.hpp"
#include "generate/generator.hpp"
#include "model/golden_case.hpp"

namespace lorry::generate {
namespace {

using Ids = std::vector<std::int32_t>;
using model::GoldenCase;

constexpr Index kVocabulary = 101;

std::vector<Ids> make_prompts(std::size_t count, std::uint64_t seed) {
  Rng rng(seed, 7);
  const auto below = [&](Index bound) {
    return static_cast<std::int32_t>(rng.next_uniform() * static_cast<float>(bound));
  };
  std::vector<Ids> prompts(count);
  for (Ids& prompt : prompts) {
    prompt.resize(static_cast<std::size_t>(1 + below(14)));
    for (std::int32_t& id : prompt) id = below(kVocabulary);
  }
  return prompts;
}

struct Outcome {
  std::vector<Ids> ids;
  std::vector<Ids> told;
  std::vector<int> done;  // how often each
};

Outcome generate_together(GoldenCase& golden, const std::vector<Ids>& prompts,
                          const GenerationOptions& options, Index batch) {
  Outcome outcome;
  outcome.ids.resize(prompts.size());
  outcome.told.resize(prompts.size());
  outcome.done.resize(prompts.size());
  generate_all(golden.decoder(), prompts, options, batch,
               {.on_token =
                    [&](Index i, std::int32_t id) {
                      outcome.told[static_cast<std::size_t>(i)].push_back(id);
                      return true;
                    },
                .on_done =
                    [&](Index i, const GenerationResult& result) {
                      outcome.ids[static_cast<std::size_t>(i)] = result.ids;
                      ++outcome.done[static_cast<std::size_t>(i)];
                    }});
  return outcome;
}

class Batches : public ::testing::TestWithParam<const char*> {};

TEST_P(Batches, GiveEachTextTheTokensItGetsAlone) {
  GoldenCase golden(GetParam());
  const std::vector<Ids> prompts = make_prompts(13, 1);
  for (const float temperature : {0.0F, 1.0F}) {
    GenerationOptions options = {.max_new_tokens = 24, .sampler = {.temperature = temperature, .seed = 5}};
    for (const Ids& prompt : {prompts[0], prompts[1]}) {
      options.stop_ids.push_back(generate(golden.decoder(), prompt, options).ids[5]);
    }
    std::vector<Ids> want;
    std::size_t ended = 0;
    for (const Ids& prompt : prompts) {
      const GenerationResult alone = generate(golden.decoder(), prompt, options);
      want.push_back(alone.ids);
      ended += alone.stopped ? 1 : 0;
      ++options.sampler.seed;
    }
    ASSERT_GT(ended, 0U) << "some end early, so that others take their places";
    options.sampler.seed = 5;
    for (const Index batch : {1, 3, 8, 40}) {
      const Outcome got = generate_together(golden, prompts, options, batch);
      EXPECT_EQ(got.ids, want) << "batch of " << batch << ", temperature " << temperature;
      EXPECT_EQ(got.told, want);
      EXPECT_EQ(got.done, std::vector<int>(prompts.size(), 1));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Batches, ::testing::Values("llama", "gpt2", "mistral", "qwen3", "llama3"),
                         [](const auto& test) { return std::string(test.param); });

TEST(Batch, ATokenMayEndOneTextAndNotTheOthers) {
  GoldenCase golden("llama");
  const std::vector<Ids> prompts = make_prompts(4, 2);
  std::vector<std::size_t> lengths(4);
  generate_all(
      golden.decoder(), prompts, {.max_new_tokens = 9}, 4,
      {.on_token = [&](Index i,
                       std::int32_t /*id*/) { return ++lengths[static_cast<std::size_t>(i)] < 3 || i != 2; },
       .on_done =
           [&](Index i, const GenerationResult& result) {
             EXPECT_EQ(result.ids.size(), i == 2 ? 3U : 9U);
             EXPECT_EQ(result.stopped, i == 2);
           }});
}

TEST(Batch, TextsThatAreTooLongAreSaidBeforeAnything) {
  GoldenCase golden("gpt2");  // 64 positions
  std::vector<Ids> prompts = make_prompts(3, 3);
  prompts[1] = Ids(60, 5);
  const BatchCallbacks callbacks = {
      .on_done = [](Index /*i*/, const GenerationResult& /*result*/) { ADD_FAILURE(); }};
  try {
    generate_all(golden.decoder(), prompts, {.max_new_tokens = 6}, 2, callbacks);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("--data, prompt 2, --max-new-tokens: found 60 and 6 tokens"),
              std::string::npos)
        << error.what();
  }
}

TEST(Batch, NoPromptsAreNothingToDo) {
  GoldenCase golden("llama");
  generate_all(golden.decoder(), {}, {}, 2,
               {.on_done = [](Index /*i*/, const GenerationResult& /*result*/) {}});
}

}  // namespace
}  // namespace lorry::generate
