// PEFT's ways of choosing layers and scaling updates (scripts/golden/variants.py): the same logits, loss and
// gradients from its files, and the same choice from its settings.
#include <gtest/gtest.h>

#include <cmath>

#include "io/io_support.hpp"
#include "io/json_file.hpp"
#include "model/inspect.hpp"
#include "model/merge.hpp"
#include "model/variant_case.hpp"
#include "support/random_matrix.hpp"

namespace lorry::model {
namespace {

using io::error_of;
using io::ScratchFolder;

class Selections : public ::testing::TestWithParam<const char*> {
 protected:
  VariantCase golden_{GetParam()};
};

TEST_P(Selections, LogitsLossAndGradientsArePefts) {
  golden_.expect_peft();
}

TEST_P(Selections, AFreshAdapterAdaptsTheSameLayersInTheSameWay) {
  const Adapter read = load_adapter(golden_.adapter_folder(), golden_.decoder());
  PeftConfig config = load_peft_config(golden_.adapter_folder());
  // PEFT warns of a layer that is not there; whoever types one is told.
  std::erase(config.filter.layers_to_transform, 7);
  std::erase(config.filter.layers_pattern, "h");
  if (golden_.base() == "gpt2") config.filter.layers_pattern = {"h"};
  const Adapter fresh = Adapter::create(config, golden_.decoder(), 1);
  ASSERT_EQ(fresh.entries().size(), read.entries().size());
  for (std::size_t i = 0; i < read.entries().size(); ++i) {
    const Adapter::Entry& want = *read.entries()[i];
    EXPECT_EQ(fresh.entries()[i]->module, want.module);
    EXPECT_EQ(fresh.entries()[i]->update.rank, want.update.rank);
    EXPECT_EQ(fresh.entries()[i]->update.scale, want.update.scale);
  }
  EXPECT_EQ(Adapter::count_parameters(config, golden_.decoder()), fresh.count_parameters());
}

TEST_P(Selections, AreSavedAsPeftSavesThem) {
  const ScratchFolder folder;
  save_adapter(folder.path(), load_adapter(golden_.adapter_folder(), golden_.decoder()));
  const io::Json want = io::read_json_file(golden_.adapter_folder() / kAdapterConfigFile);
  const io::Json got = io::read_json_file(folder / kAdapterConfigFile);
  for (const char* field : {"r", "lora_alpha", "use_rslora", "rank_pattern", "alpha_pattern",
                            "target_modules", "exclude_modules", "layers_to_transform", "layers_pattern"}) {
    const io::Json expected = want.at(field);
    const bool off = expected.is_null() || expected == false || expected == io::Json::object();
    if (off) {
      EXPECT_FALSE(got.contains(field)) << field;
    } else if (expected.is_number() || expected.is_string()) {
      const io::Json list =
          io::Json::array({expected});  // one layer, or one pattern of layers, is a list here
      EXPECT_TRUE(got.at(field) == expected || got.at(field) == list) << field << got.at(field);
    } else {
      EXPECT_EQ(got.at(field), expected) << field;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, Selections,
                         ::testing::Values("llama.rslora", "llama.rslora_patterns", "llama.layers",
                                           "llama.one_layer", "llama.layers_pattern", "llama.named_in_full",
                                           "llama.excluded", "llama.excluded_expression", "llama.both",
                                           "llama.expression", "gpt2.layers"),
                         variant_name);

class Dora : public ::testing::TestWithParam<const char*> {
 protected:
  VariantCase golden_{GetParam()};
};

TEST_P(Dora, LogitsLossAndGradientsArePefts) {
  golden_.expect_peft();
}

TEST_P(Dora, TwentyStepsArePefts) {
  Adapter adapter = load_adapter(golden_.adapter_folder(), golden_.decoder());
  adapter.attach(golden_.decoder());
  golden_.expect_losses(adapter);
}

TEST_P(Dora, MergesAsPeftDoes) {
  const ScratchFolder folder;
  merge_adapter(golden_.ops(), golden_.folder() / "model", golden_.adapter_folder(), folder / "merged", {});
  const Weights weights = load_weights(folder / "merged", golden_.decoder().config());
  Adapter adapter = load_adapter(golden_.adapter_folder(), golden_.decoder());
  Index compared = 0;
  for (const auto& entry : adapter.entries()) {
    if (!golden_.has(std::string(GetParam()) + ".merged." + entry->module)) continue;
    ++compared;
    const Matrix want = golden_.of_case("merged." + entry->module);
    EXPECT_LE(relative_difference(weights.at(entry->module + ".weight").as_dense(), want), 1e-6)
        << entry->module;
  }
  EXPECT_EQ(compared, 1);
  adapter.attach(golden_.decoder());
  const Matrix beside = golden_.logits();
  Decoder merged(golden_.ops(), golden_.decoder().config(), weights, DType::kF32);
  EXPECT_LE(relative_difference(golden_.logits(merged), beside), 1e-5);
}

TEST_P(Dora, ComesBackFromFilesBitForBit) {
  const ScratchFolder folder;
  const Adapter want = load_adapter(golden_.adapter_folder(), golden_.decoder());
  save_adapter(folder.path(), want);
  const Adapter got = load_adapter(folder.path(), golden_.decoder());
  ASSERT_EQ(got.entries().size(), want.entries().size());
  for (std::size_t i = 0; i < want.entries().size(); ++i) {
    const nn::LowRankUpdate& update = got.entries()[i]->update;
    EXPECT_TRUE(testing::same_bits(update.a, want.entries()[i]->update.a));
    EXPECT_TRUE(testing::same_bits(update.b_transposed, want.entries()[i]->update.b_transposed));
    EXPECT_TRUE(testing::same_bits(update.magnitude, want.entries()[i]->update.magnitude));
  }
  EXPECT_EQ(io::read_json_file(folder / kAdapterConfigFile).at("use_dora"), true);
  const AdapterSummary summary = inspect_adapter(folder.path());
  EXPECT_EQ(summary.parameters, want.count_parameters());
}

TEST_P(Dora, AFreshOneChangesNothingAndHasThoseParameters) {
  const Matrix base = golden_.logits();
  const PeftConfig config = load_peft_config(golden_.adapter_folder());
  Adapter adapter = Adapter::create(config, golden_.decoder(), 3);
  EXPECT_EQ(Adapter::count_parameters(config, golden_.decoder()), adapter.count_parameters());
  adapter.attach(golden_.decoder());
  EXPECT_LE(relative_difference(golden_.logits(), base), 1e-6);
  adapter.entries()[0]->update.magnitude.row<float>(0)[0] *= 2;
  EXPECT_GE(relative_difference(golden_.logits(), base), 1e-5) << "a magnitude has no effect";
}

INSTANTIATE_TEST_SUITE_P(Golden, Dora,
                         ::testing::Values("llama.dora", "qwen2.dora", "gpt2.dora", "llama.dora_rslora"),
                         variant_name);

TEST(DoraMistakes, AreNamed) {
  GoldenCase golden("gpt2");
  PeftConfig config;
  config.use_dora = true;
  config.target_modules = parse_target_modules("q_proj");
  EXPECT_EQ(
      error_of([&] { Adapter::create(config, golden.decoder(), 1); }),
      "[lora] use_dora: found with transformer.h.0.attn.c_attn.q, a part of a map; expected the whole map, "
      "which DoRA stretches");
  config.target_modules = parse_target_modules("c_attn");
  ASSERT_TRUE(parse_lora_init("pissa", config));
  EXPECT_EQ(
      error_of([&] { Adapter::create(config, golden.decoder(), 1); }),
      "[lora]: use_dora: found with init_lora_weights pissa; expected one of them: no adapter file holds "
      "both");
  // A folder whose config says DoRA, but whose file has no magnitudes.
  const ScratchFolder folder;
  config = {};
  config.target_modules = parse_target_modules("c_attn");
  save_adapter(folder.path(), Adapter::create(config, golden.decoder(), 1));
  io::Json json = io::read_json_file(folder / kAdapterConfigFile);
  json["use_dora"] = true;
  io::write_json_file(folder / kAdapterConfigFile, json);
  EXPECT_NE(error_of([&] { load_adapter(folder.path(), golden.decoder()); }).find("lora_magnitude_vector"),
            std::string::npos);
}

class FilterMistakes : public ::testing::Test {
 protected:
  FilterMistakes() { config_.target_modules = parse_target_modules("q_proj,v_proj"); }
  void expect_error(const std::string& text) {
    EXPECT_EQ(error_of([&] { Adapter::create(config_, golden_.decoder(), 1); }), text);
  }
  GoldenCase golden_{"llama"};
  PeftConfig config_;
};

TEST_F(FilterMistakes, AreNamed) {
  ModuleFilter& filter = config_.filter;
  filter.exclude_modules = parse_target_modules("v_proj,w_proj");
  expect_error(
      "[lora] exclude_modules: \"w_proj\" matches no linear layer of this model; expected one like "
      "\"model.layers.0.self_attn.q_proj\"");
  filter.exclude_modules = parse_target_modules("(q");
  expect_error(
      "[lora] exclude_modules: found \"(q\", malformed at character 2: missing closing parenthesis; "
      "expected a regular expression");
  filter.exclude_modules = parse_target_modules("self_attn.q_proj,v_proj");
  expect_error("[lora] exclude_modules: leaves none of the 4 layers that target_modules selects");
  filter.exclude_modules = {};
  filter.layers_to_transform = {1, 2};
  expect_error("[lora] layers_to_transform: found 2; this model has layers 0 to 1");
  filter.layers_to_transform = {1};
  filter.layers_pattern = {"layers", "blocks"};
  expect_error(
      "[lora] layers_pattern: \"blocks\" matches no layer of this model; expected the word before a number "
      "in "
      "\"model.layers.0.self_attn.q_proj\"");
  filter.layers_pattern = {"layers"};
  config_.target_modules = parse_target_modules(".*q_proj");
  expect_error(
      "[lora]: layers_to_transform: found with the expression \".*q_proj\" as target_modules; expected "
      "names");
  config_.target_modules = parse_target_modules("q_proj");
  filter.layers_to_transform.clear();
  expect_error("[lora]: layers_pattern: found without layers_to_transform; expected both");
}

TEST_F(FilterMistakes, InFilesToo) {
  const ScratchFolder folder;
  save_peft_config(folder.path(), config_);
  const io::Json good = io::read_json_file(folder / kAdapterConfigFile);
  const auto expect = [&](const char* field, const io::Json& value, const std::string& text) {
    io::Json config = good;
    config[field] = value;
    io::write_json_file(folder / kAdapterConfigFile, config);
    const std::string error = error_of([&] { load_peft_config(folder.path()); });
    EXPECT_NE(error.find(text), std::string::npos) << error;
  };
  for (const io::Json& layers : {io::Json(-1), io::Json("1"), io::Json({1, 2.5}), io::Json(true)}) {
    expect("layers_to_transform", layers,
           "field \"layers_to_transform\": found " + layers.dump() +
               "; expected an integer of at least 0, or a list of them");
  }
  expect("exclude_modules", {1}, "field \"exclude_modules");
  expect("use_rslora", "yes", "field \"use_rslora\": found \"yes\"");
  for (const io::Json& off : {io::Json(nullptr), io::Json::array()}) {
    expect("exclude_modules", off, "no error");
    expect("layers_to_transform", off, "no error");
  }
}

TEST(ModuleFilter, AllLinearWithLayersIsSpelledOut) {
  GoldenCase golden("llama");
  PeftConfig config;
  config.target_modules = parse_target_modules(kAllLinear);
  config.filter.layers_to_transform = {1};
  config.filter.exclude_modules = parse_target_modules("mlp.up_proj");
  const ScratchFolder folder;
  const Adapter adapter = Adapter::create(config, golden.decoder(), 1);
  EXPECT_EQ(adapter.entries().size(), 6U);
  save_adapter(folder.path(), adapter);
  const Adapter read = load_adapter(folder.path(), golden.decoder());
  ASSERT_EQ(read.entries().size(), 6U);
  for (const auto& entry : read.entries()) EXPECT_TRUE(entry->module.starts_with("model.layers.1."));
}

TEST(ModuleFilter, PartsOfFusedMapsAreLeftOutByTheirNamesAndLayers) {
  GoldenCase golden("gpt2");
  PeftConfig config;
  config.target_modules = parse_target_modules("q_proj,v_proj,c_fc");
  config.filter.layers_to_transform = {1};
  config.filter.exclude_modules = parse_target_modules("v_proj");
  const ScratchFolder folder;
  save_adapter(folder.path(), Adapter::create(config, golden.decoder(), 1));
  const Adapter read = load_adapter(folder.path(), golden.decoder());
  ASSERT_EQ(read.entries().size(), 2U);
  EXPECT_EQ(read.entries()[0]->module, "transformer.h.1.attn.c_attn.q");
  EXPECT_EQ(read.entries()[1]->module, "transformer.h.1.mlp.c_fc");
}

}  // namespace
}  // namespace lorry::model
