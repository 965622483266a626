// Parts of GPT-2's c_attn: their names and places, and which of them a list of targets selects.
#include "model/fused_parts.hpp"

#include <gtest/gtest.h>

#include "io/io_support.hpp"
#include "model/golden_case.hpp"

namespace lorry::model {
namespace {

using Names = std::vector<std::string>;

/// Two layers of width 36.
class FusedParts : public ::testing::Test {
 protected:
  FusedParts() : golden_("gpt2"), parts_(fused_parts(golden_.decoder().config())) {}

  Names match(std::string_view text) {
    return match_maps_and_parts(parse_target_modules(text), filter_, linear_names(golden_.decoder()), parts_,
                                "lm_head", "[lora]");
  }
  [[nodiscard]] std::string error(std::string_view text) {
    return io::error_of([&] { match(text); });
  }
  ModuleFilter filter_;

  static Names on_both_layers(const Names& names) {
    Names all;
    for (const char* layer : {"transformer.h.0.", "transformer.h.1."}) {
      for (const std::string& name : names) all.push_back(layer + name);
    }
    return all;
  }

  GoldenCase golden_;
  std::vector<FusedPart> parts_;
};

TEST_F(FusedParts, AreThirdsOfEveryLayersMap) {
  ASSERT_EQ(parts_.size(), 6U);
  EXPECT_EQ(parts_[0], (FusedPart{"transformer.h.0.attn.c_attn", "q", 0, 36, 108}));
  EXPECT_EQ(parts_[1], (FusedPart{"transformer.h.0.attn.c_attn", "k", 36, 36, 108}));
  EXPECT_EQ(parts_[5], (FusedPart{"transformer.h.1.attn.c_attn", "v", 72, 36, 108}));
  EXPECT_EQ(parts_[5].module(), "transformer.h.1.attn.c_attn.v");
  EXPECT_TRUE(fused_parts(GoldenCase("llama").decoder().config()).empty());
}

TEST_F(FusedParts, MatchByEitherName) {
  const Names q_and_v = on_both_layers({"attn.c_attn.q", "attn.c_attn.v"});
  EXPECT_EQ(match("c_attn.q,c_attn.v"), q_and_v);
  EXPECT_EQ(match("v_proj, q_proj"), q_and_v);
  EXPECT_EQ(match("attn.c_attn.q,attn.v_proj"), q_and_v);
  EXPECT_EQ(match(R"(.*\.c_attn\.[qv])"), q_and_v);
  EXPECT_EQ(match("transformer.h.1.attn.k_proj"), Names{"transformer.h.1.attn.c_attn.k"});
  EXPECT_EQ(match("h.0.attn.q_proj,h.1.attn.c_attn"),
            (Names{"transformer.h.1.attn.c_attn", "transformer.h.0.attn.c_attn.q"}));
}

TEST_F(FusedParts, WholeMapsStayWhatPeftMeansByThem) {
  EXPECT_EQ(match("c_attn"), on_both_layers({"attn.c_attn"}));
  EXPECT_EQ(match("all-linear"), on_both_layers({"attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"}));
  EXPECT_EQ(match(".*attn.*"), on_both_layers({"attn.c_attn", "attn.c_proj"}));
  EXPECT_EQ(match(R"(.*(1\.attn\.c_attn|attn\.c_attn\.q))"),
            (Names{"transformer.h.1.attn.c_attn", "transformer.h.0.attn.c_attn.q"}));
}

TEST_F(FusedParts, AMapAndItsPartContradict) {
  EXPECT_EQ(error("c_attn.q,c_attn"),
            "[lora] target_modules: found transformer.h.0.attn.c_attn and its part "
            "transformer.h.0.attn.c_attn.q; expected a map as a whole or parts of it");
  EXPECT_NE(error("h.1.attn.c_attn,v_proj").find("transformer.h.1.attn.c_attn.v"), std::string::npos);
}

TEST_F(FusedParts, UnknownNamesListThePartsToo) {
  EXPECT_EQ(error("c_attn.w"),
            "[lora] target_modules: \"c_attn.w\" matches no linear layer of this model; it has: c_attn, "
            "c_attn.k, c_attn.q, c_attn.v, c_fc, c_proj, lm_head (full names like "
            "\"transformer.h.0.attn.c_attn\")");
}

TEST(FusedPartsOfOthers, AreAnError) {
  GoldenCase golden("llama");
  PeftConfig config;
  for (const char* name : {"c_attn.q", "q_proj.v"}) {
    config.target_modules = parse_target_modules(name);
    EXPECT_EQ(io::error_of([&] { Adapter::create(config, golden.decoder(), 1); }),
              "[lora] target_modules: found \"" + std::string(name) +
                  "\"; this model has no fused maps to adapt by parts, but maps like "
                  "\"model.layers.0.self_attn.q_proj\"");
  }
}

}  // namespace
}  // namespace lorry::model
