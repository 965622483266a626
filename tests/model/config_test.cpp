// config.json of every family: what is read, and what is refused with which words.
#include "model/config.hpp"

#include <gtest/gtest.h>

#include "io/io_support.hpp"
#include "io/json_file.hpp"
#include "model/families/families.hpp"
#include "model/golden_case.hpp"
#include "model/shapes.hpp"
#include "model/tensor_list.hpp"

namespace lorry::model {
namespace {

io::Json json_of(const std::string& name) {
  return io::read_json_file(golden_folder() / "families" / name / "model/config.json");
}

ModelConfig parse(const io::Json& json) {
  const io::ScratchFolder folder;
  io::write_json_file(folder / "config.json", json);
  return load_model_config(folder.path());
}

/// The text of the Error for a golden config with these changes, without the file's name.
std::string error_of(const std::string& name, const io::Json& changes) {
  io::Json json = json_of(name);
  json.update(changes);
  const io::ScratchFolder folder;
  io::write_json_file(folder / "config.json", json);
  const std::string error = io::error_of([&] { load_model_config(folder.path()); });
  const std::string start = "[load] " + (folder / "config.json").string() + ": ";
  EXPECT_TRUE(error == "no error" || error.starts_with(start)) << error;
  return error.substr(std::min(error.size(), error == "no error" ? 0 : start.size()));
}

struct Refusal {
  const char* family;
  io::Json changes;
  const char* message;
};

TEST(Config, RefusesWhatItCannotComputeByTheFieldsName) {
  const std::vector<Refusal> refusals = {
      {"llama",
       {{"model_type", "bert"}},
       "field \"model_type\": found \"bert\"; supported: gpt2, llama, mistral, qwen2"},
      {"llama", {{"model_type", nullptr}}, "field \"model_type\": "},
      {"llama", {{"hidden_size", -32}}, "field \"hidden_size\": found -32"},
      {"llama", {{"hidden_size", "32"}}, "field \"hidden_size\": found \"32\""},
      {"llama", {{"vocab_size", 0}}, "field \"vocab_size\": found 0"},
      {"llama", {{"vocab_size", nullptr}}, "field \"vocab_size\": "},
      {"llama", {{"num_hidden_layers", 1e9}}, "field \"num_hidden_layers\": found 1000000000.0"},
      {"llama",
       {{"num_key_value_heads", 3}},
       "field \"num_key_value_heads\": found 3; expected a divisor of"},
      {"llama", {{"num_key_value_heads", 8}}, "field \"num_key_value_heads\": found 8"},
      {"llama", {{"head_dim", 7}}, "field \"head_dim\": found 7; expected an even number"},
      {"llama", {{"rope_theta", 1e300}}, "field \"rope_theta\": found 1e+300; expected a number above 0"},
      {"llama", {{"hidden_act", "gelu"}}, "field \"hidden_act\": found \"gelu\"; expected \"silu\""},
      {"llama", {{"partial_rotary_factor", 0.5}}, "field \"partial_rotary_factor\": found 0.5"},
      {"llama",
       {{"rope_parameters", {{"rope_type", "yarn"}, {"factor", 4.0}}}},
       "field \"rope_parameters.rope_type\": found \"yarn\"; supported: default, linear, llama3"},
      {"llama", {{"rope_parameters", {{"rope_type", "linear"}}}}, "field \"factor\""},
      {"llama",
       {{"rope_parameters", {{"rope_theta", 0}}}},
       "field \"rope_theta\": found 0; expected a number above 0"},
      {"llama", {{"rope_parameters", 3}}, "field \"rope_parameters\": found 3"},
      {"llama", {{"eos_token_id", {2, -1}}}, "field \"eos_token_id\": found [2,-1]"},
      {"llama", {{"bos_token_id", 1.5}}, "field \"bos_token_id\": found 1.5"},
      {"mistral", {{"sliding_window", 0}}, "field \"sliding_window\": found 0"},
      {"qwen2",
       {{"use_sliding_window", true}, {"sliding_window", 8}, {"layer_types", {"full_attention"}}},
       "field \"layer_types\": found 1 entries; expected num_hidden_layers (2)"},
      {"qwen2",
       {{"use_sliding_window", true}, {"sliding_window", 8}, {"layer_types", {"full_attention", "linear"}}},
       "field \"layer_types\": found \"linear\"; supported: full_attention, sliding_attention"},
      {"gpt2", {{"n_head", 5}}, "field \"n_head\": found 5; expected a divisor of n_embd (36)"},
      {"gpt2", {{"activation_function", "relu"}}, "field \"activation_function\": found \"relu\""},
      {"gpt2",
       {{"scale_attn_by_inverse_layer_idx", true}},
       "field \"scale_attn_by_inverse_layer_idx\": found true"},
      {"gpt2", {{"scale_attn_weights", false}}, "field \"scale_attn_weights\": found false"},
      {"llama3",
       {{"rope_parameters",
         {{"rope_type", "llama3"},
          {"factor", 8.0},
          {"low_freq_factor", 4.0},
          {"high_freq_factor", 4.0},
          {"original_max_position_embeddings", 64}}}},
       "field \"high_freq_factor\": found 4.0; expected a number above low_freq_factor"},
  };
  for (const Refusal& refusal : refusals) {
    const std::string error = error_of(refusal.family, refusal.changes);
    EXPECT_TRUE(error.starts_with(refusal.message)) << refusal.changes << ": " << error;
  }
}

TEST(Config, MissingAndMalformedFiles) {
  const io::ScratchFolder folder;
  const auto error = [&] { return io::error_of([&] { load_model_config(folder.path()); }); };
  EXPECT_NE(error().find("config.json"), std::string::npos) << error();
  io::put(folder / "config.json", "{\"model_type\": \"llama\",,}");
  EXPECT_NE(error().find("line 1"), std::string::npos) << error();
  io::put(folder / "config.json", "\"llama\"");
  EXPECT_NE(error().find("found a JSON string; expected an object"), std::string::npos) << error();
}

TEST(Config, AbsentFieldsTakeTransformersDefaults) {
  const ModelConfig llama = parse({{"model_type", "llama"},
                                   {"vocab_size", 101},
                                   {"hidden_size", 32},
                                   {"intermediate_size", 56},
                                   {"num_hidden_layers", 2},
                                   {"num_attention_heads", 4}});
  EXPECT_EQ(llama.num_key_value_heads, 4);
  EXPECT_EQ(llama.head_dim, 8);
  EXPECT_EQ(llama.max_position_embeddings, 2048);
  EXPECT_EQ(llama.norm_eps, 1e-6F);
  EXPECT_EQ(llama.rope.theta, 10000.0F);
  EXPECT_EQ(llama.rope.scaling, nn::RopeScaling::kNone);
  EXPECT_FALSE(llama.tie_word_embeddings || llama.qkv_bias || llama.mlp_bias || llama.qk_norm);
  EXPECT_TRUE(llama.bos_token_ids.empty());

  io::Json gpt2 = json_of("gpt2");
  for (const char* field :
       {"n_positions", "n_inner", "layer_norm_epsilon", "activation_function", "tie_word_embeddings"}) {
    gpt2.erase(field);
  }
  const ModelConfig parsed = parse(gpt2);
  EXPECT_EQ(parsed.max_position_embeddings, 1024);
  EXPECT_EQ(parsed.intermediate_size, 4 * 36);
  EXPECT_EQ(parsed.norm_eps, 1e-5F);
  EXPECT_TRUE(parsed.tie_word_embeddings);
}

TEST(Config, TokenIdsMayBeOneOrSeveral) {
  io::Json json = json_of("llama3");
  json["eos_token_id"] = {7, 9};
  EXPECT_EQ(parse(json).eos_token_ids, (std::vector<std::int32_t>{7, 9}));
  json["eos_token_id"] = 7;
  EXPECT_EQ(parse(json).eos_token_ids, std::vector<std::int32_t>{7});
}

TEST(Config, MistralsWindowIs4096UnlessItSaysOtherwise) {
  io::Json json = json_of("mistral");
  EXPECT_EQ(parse(json).window(1), 9);
  json["sliding_window"] = nullptr;
  EXPECT_EQ(parse(json).window(1), 0);
  json.erase("sliding_window");
  EXPECT_EQ(parse(json).window(1), 4096);
}

TEST(Config, QwensWindowsFollowLayerTypesOrTheirNumber) {
  io::Json json = json_of("qwen2");
  json["sliding_window"] = 8;
  EXPECT_EQ(parse(json).window(1), 0);  // use_sliding_window is false
  json["use_sliding_window"] = true;
  json["layer_types"] = {"full_attention", "sliding_attention"};
  EXPECT_EQ(parse(json).sliding_windows, (std::vector<Index>{0, 8}));
  json.erase("layer_types");
  json["max_window_layers"] = 1;
  EXPECT_EQ(parse(json).sliding_windows, (std::vector<Index>{0, 8}));
  json.erase("max_window_layers");
  EXPECT_EQ(parse(json).sliding_windows, (std::vector<Index>{0, 0}));
  json["max_window_layers"] = 0;
  EXPECT_EQ(parse(json).sliding_windows, (std::vector<Index>{8, 8}));
}

TEST(Config, OldAndNewRopeSpellings) {
  for (const char* name : {"llama3", "llama_linear", "qwen3"}) {
    const ModelConfig now = load_model_config(golden_folder() / "families" / name / "model");
    const ModelConfig old = load_model_config(golden_folder() / "families" / name / "config_old.json");
    EXPECT_EQ(old.rope.theta, now.rope.theta) << name;
    EXPECT_EQ(old.rope.scaling, now.rope.scaling) << name;
    EXPECT_EQ(old.rope.factor, now.rope.factor) << name;
    EXPECT_EQ(old.rope.original_max_position_embeddings, now.rope.original_max_position_embeddings) << name;
  }
  io::Json json = json_of("llama");
  json.erase("rope_parameters");
  json["rope_scaling"] = {{"type", "linear"}, {"factor", 2.0}};  // the oldest spelling
  EXPECT_EQ(parse(json).rope.scaling, nn::RopeScaling::kLinear);
  EXPECT_EQ(parse(json).rope.factor, 2.0F);
}

TEST(Shapes, HaveTheirWeights) {
  // TinyLlama 1.1B and the released LLaMA files, all weights counted.
  const std::vector<std::pair<const char*, Index>> counts = {{"llama-1.1b", 1'100'048'384},
                                                             {"llama-7b", 6'738'415'616},
                                                             {"llama-13b", 13'015'864'320},
                                                             {"llama-30b", 32'528'943'616},
                                                             {"llama-65b", 65'285'660'672}};
  for (const auto& [name, count] : counts) {
    EXPECT_EQ(count_weights(parse_llama(shape_config(name), name)), count) << name;
  }
  EXPECT_EQ(io::error_of([] { shape_config("llama-2b"); }),
            "[init] --shape: found \"llama-2b\"; expected one of llama-1.1b, llama-7b, llama-13b, llama-30b, "
            "llama-65b");
}

}  // namespace
}  // namespace lorry::model
