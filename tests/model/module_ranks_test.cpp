#include "model/module_ranks.hpp"

#include <gtest/gtest.h>

#include "io/json_file.hpp"
#include "model/golden_case.hpp"

namespace lorry::model {
namespace {

/// PEFT's get_pattern_key, by scripts/golden/adapters.py.
TEST(ModuleRanks, TheKeyThatPeftPicksDecides) {
  const io::Json cases = io::read_json_file(golden_folder() / "adapters" / "pattern_keys.json");
  ASSERT_GE(cases.size(), 140U);
  for (const io::Json& test : cases) {
    PeftConfig config;
    Index want = config.r;
    Index value = 100;
    for (const io::Json& key : test.at("keys")) {
      config.rank_pattern.emplace_back(key, ++value);
      config.alpha_pattern.emplace_back(key, static_cast<double>(value) / 2);
      if (key == test.at("key") && want == config.r) want = value;
    }
    const ModuleRanks ranks(config, "[test]");
    const std::string module = test.at("module");
    EXPECT_EQ(ranks.rank(module), want) << test;
    EXPECT_EQ(ranks.alpha(module), want == config.r ? config.lora_alpha : static_cast<double>(want) / 2)
        << test;
  }
}

/// What with_module_ranks writes must say what it was given.
PeftConfig expect_told(const PeftConfig& config, const std::vector<ModuleRank>& modules) {
  PeftConfig got = with_module_ranks(config, modules);
  const ModuleRanks ranks(got, "[test]");
  for (const ModuleRank& module : modules) {
    EXPECT_EQ(ranks.rank(module.module), module.rank) << module.module;
    EXPECT_EQ(ranks.scale(module.module), module.scale) << module.module;
  }
  return got;
}

TEST(ModuleRanks, AConfigThatIsRightStaysAsItIs) {
  PeftConfig config;
  config.r = 4;
  config.lora_alpha = 8;
  config.rank_pattern = {{".*v_proj", 2}, {"nothing", 7}};
  const PeftConfig got = expect_told(config, {{"l.0.q_proj", 4, 2.0F}, {"l.0.v_proj", 2, 4.0F}});
  EXPECT_EQ(got.rank_pattern, config.rank_pattern);
  EXPECT_TRUE(got.alpha_pattern.empty());
}

TEST(ModuleRanks, OtherRanksAreNamedByTheShortestKeyThatIsRight) {
  PeftConfig config;
  config.rank_pattern = {{"q_proj", 9}};
  const PeftConfig got = expect_told(config, {{"l.0.q_proj", 4, 2.0F},
                                              {"l.0.v_proj", 2, 2.0F},
                                              {"l.1.q_proj", 3, 2.0F},
                                              {"l.1.v_proj", 2, 2.0F},
                                              {"l.2.q_proj", 4, 2.0F}});
  EXPECT_EQ(got.r, 2);
  EXPECT_EQ(got.lora_alpha, 4);
  EXPECT_EQ(got.rank_pattern,
            (ModulePattern<Index>{{"l.0.q_proj", 4}, {"l.1.q_proj", 3}, {"l.2.q_proj", 4}}));
  EXPECT_EQ(got.alpha_pattern,
            (ModulePattern<double>{{"l.0.q_proj", 8}, {"l.1.q_proj", 6}, {"l.2.q_proj", 8}}));
  const PeftConfig parts = expect_told(config, {{"h.0.c_attn", 4, 0.5F},
                                                {"h.0.c_proj", 2, 0.5F},
                                                {"h.0.mlp.c_proj", 2, 0.5F},
                                                {"h.1.c_attn", 4, 0.5F}});
  EXPECT_EQ(parts.r, 2);
  EXPECT_EQ(parts.rank_pattern, (ModulePattern<Index>{{"c_attn", 4}}));
  EXPECT_EQ(parts.alpha_pattern, (ModulePattern<double>{{"c_attn", 2}}));
}

TEST(ModuleRanks, ScalesSurviveToTheLastBit) {
  // Whole alphas where there is one, else whatever gives the same float.
  const PeftConfig thirds = expect_told({}, {{"a.q", 24, static_cast<float>(16.0 / 24)}});
  EXPECT_EQ(thirds.lora_alpha, 16);
  for (const float scale : {0.1F, 3.14159265F, 1e-7F, 123456.7F, -0.3F}) {
    for (const Index rank : {1, 3, 7, 64, 1000}) {
      expect_told({}, {{"a.q", rank, scale}, {"a.v", rank + 1, scale}, {"b.q", rank, scale * 1.1F}});
    }
  }
}

}  // namespace
}  // namespace lorry::model
