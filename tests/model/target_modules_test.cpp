// PEFT's rules for target_modules: lists match whole names or their ends, strings are regular expressions.
#include "model/target_modules.hpp"

#include <gtest/gtest.h>

#include "io/io_support.hpp"

namespace lorry::model {
namespace {

using Names = std::vector<std::string>;

const Names kModules = {"model.layers.0.self_attn.q_proj",  "model.layers.0.self_attn.v_proj",
                        "model.layers.0.mlp.down_proj",     "model.layers.1.self_attn.q_proj",
                        "model.layers.1.self_attn.v_proj",  "model.layers.1.mlp.down_proj",
                        "model.layers.10.self_attn.q_proj", "lm_head"};

Names match(std::string_view text) {
  return match_modules(parse_target_modules(text), kModules, "lm_head", "[lora]");
}

std::string error_of(std::string_view text) {
  return io::error_of([&] { match(text); });
}

TEST(TargetModules, NamesMatchExactlyOrAfterADot) {
  EXPECT_EQ(match("q_proj"), (Names{kModules[0], kModules[3], kModules[6]}));
  EXPECT_EQ(match("1.self_attn.q_proj"), Names{kModules[3]});  // not layer 10, nor "11."
  EXPECT_EQ(match("model.layers.0.mlp.down_proj"), Names{kModules[2]});
  EXPECT_EQ(match("lm_head"), Names{"lm_head"});
  EXPECT_NE(error_of("proj").find("\"proj\" matches no linear layer"),
            std::string::npos);  // no part of a name
}

TEST(TargetModules, SeveralNamesKeepTheOrderOfTheModel) {
  EXPECT_EQ(match("v_proj, q_proj"),
            (Names{kModules[0], kModules[1], kModules[3], kModules[4], kModules[6]}));
}

TEST(TargetModules, ExpressionsMatchWholeNames) {
  EXPECT_EQ(match(R"(.*\.1\.(self_attn\.[qv]_proj|mlp\.down_proj))"),
            (Names{kModules[3], kModules[4], kModules[5]}));
  EXPECT_EQ(match(R"(.*q_proj$)"), (Names{kModules[0], kModules[3], kModules[6]}));
  // A part of a name is not enough, at either end: re.fullmatch, not re.search.
  EXPECT_NE(error_of("(q_proj)").find("matches no linear layer"), std::string::npos);
  EXPECT_NE(error_of("model.*self_attn").find("matches no linear layer"), std::string::npos);
  // The first alternative that matches a part must not hide one that matches the whole.
  EXPECT_EQ(match("lm|lm_head"), Names{"lm_head"});
}

TEST(TargetModules, AllLinearLeavesOutTheHead) {
  EXPECT_EQ(match("all-linear"), Names(kModules.begin(), kModules.end() - 1));
  EXPECT_EQ(match(".*"), kModules);
}

TEST(TargetModules, UnmatchedNameListsWhatExists) {
  EXPECT_EQ(error_of("q_proj,wq"),
            "[lora]: \"wq\" matches no linear layer of this model; it has: down_proj, lm_head, q_proj, "
            "v_proj (full "
            "names like \"model.layers.0.self_attn.q_proj\")");
  EXPECT_NE(error_of("").find("it has: down_proj"), std::string::npos);
  EXPECT_NE(error_of(" , ").find("it has: down_proj"), std::string::npos);
}

TEST(TargetModules, MalformedExpressionIsShownWithItsPlace) {
  const std::string error = error_of("(q_proj");
  EXPECT_TRUE(error.starts_with("[lora]: found \"(q_proj\", malformed at character 7: ")) << error;
}

TEST(TargetModules, ParsesWhatAUserTypes) {
  EXPECT_EQ(parse_target_modules(" q_proj , v_proj,"),
            (TargetModules{.names = {"q_proj", "v_proj"}, .pattern = ""}));
  EXPECT_EQ(parse_target_modules("all-linear"), (TargetModules{.names = {}, .pattern = "all-linear"}));
  EXPECT_EQ(parse_target_modules("model.layers.0.self_attn.q_proj").names.size(),
            1U);  // a dot alone is a name
  EXPECT_EQ(parse_target_modules(R"(.*\.q_proj)").pattern, R"(.*\.q_proj)");
}

}  // namespace
}  // namespace lorry::model
