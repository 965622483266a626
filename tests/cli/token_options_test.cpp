// --trainable-token-indices and --add-tokens, from the command line and the YAML config to every command that
// reads adapters.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "cli/tiny_model_test.hpp"
#include "io/json_file.hpp"
#include "io/safetensors.hpp"

namespace lorry::cli {
namespace {

constexpr const char* kEmbeddingRows =
    "base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta";
constexpr const char* kHeadRows = "base_model.model.lm_head.token_adapter.trainable_tokens_delta";

/// Tokens of the tiny model are bytes from 2 on; its records have 's', 'a', 'y' and digits. Its head is its
/// own.
class TokenOptions : public TinyModelTest {
 protected:
  static Outcome train_tokens(const std::string& out, const Arguments& more) {
    Arguments arguments = {"--target-modules", "q_proj", "--rank", "2", "--lr", "0.01"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return train(out, arguments);
  }
  static std::string weights(const std::string& out) {
    return io::get(path(out) + "/adapter_model.safetensors");
  }
  static std::vector<Index> shape(const std::string& out, const char* tensor) {
    return io::SafetensorsFile(path(out) + "/adapter_model.safetensors").at(tensor).shape;
  }
  static io::Json config(const std::string& out) {
    return io::read_json_file(path(out) + "/adapter_config.json");
  }
};

TEST_F(TokenOptions, ListsAndNamesAreWhatPeftReads) {
  const Outcome first = train_tokens("first", {"--trainable-token-indices", "117,99,123"});
  ASSERT_EQ(first.code, 0) << first.err;
  EXPECT_EQ(config("first").at("trainable_token_indices"), (io::Json{117, 99, 123}));
  EXPECT_EQ(shape("first", kEmbeddingRows), (std::vector<Index>{3, 32}));
  const Outcome again = train_tokens("again", {"--config", path("first") + "/train.yaml"});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_TRUE(weights("again") == weights("first"));
  io::put(path("list.yaml"), "trainable_token_indices: [117, 99, 123]\n");
  ASSERT_EQ(train_tokens("list", {"--config", path("list.yaml")}).code, 0);
  EXPECT_TRUE(weights("list") == weights("first"));

  const Outcome named = train_tokens("named", {"--trainable-token-indices", "embed_tokens=117,99",
                                               "--trainable-token-indices", "lm_head=99"});
  ASSERT_EQ(named.code, 0) << named.err;
  EXPECT_EQ(config("named").at("trainable_token_indices"),
            io::Json::parse(R"({"embed_tokens": [117, 99], "lm_head": [99]})"));
  EXPECT_EQ(shape("named", kHeadRows), (std::vector<Index>{1, 32}));
  ASSERT_EQ(train_tokens("named-again", {"--config", path("named") + "/train.yaml"}).code, 0);
  EXPECT_TRUE(weights("named-again") == weights("named"));
  io::put(path("map.yaml"), "trainable_token_indices:\n  embed_tokens: [117, 99]\n  lm_head: [99]\n");
  ASSERT_EQ(train_tokens("map", {"--config", path("map.yaml")}).code, 0);
  EXPECT_TRUE(weights("map") == weights("named"));
}

TEST_F(TokenOptions, EveryCommandTakesTheAdapter) {
  ASSERT_EQ(train_tokens("tokens", {"--trainable-token-indices", "117,99"}).code, 0);
  const Arguments model = {"--model", path("model"), "--dtype", "f32", "--threads", "1"};
  const Outcome base = run({"eval", "--data", path("data.jsonl"), "--json"}, model);
  Arguments with = model;
  with.insert(with.end(), {"--adapter", path("tokens")});
  const Outcome adapted = run({"eval", "--data", path("data.jsonl"), "--json"}, with);
  ASSERT_EQ(adapted.code, 0) << adapted.err;
  EXPECT_NE(adapted.out, base.out);
  EXPECT_EQ(run({"generate", "--prompt", "say", "--max-new-tokens", "4"}, with).code, 0);
  const Outcome merge = run_lorry({"merge", "--model", path("model"), "--adapter", path("tokens"), "--out",
                                   path("merged"), "--threads", "1"});
  ASSERT_EQ(merge.code, 0) << merge.err;
  const Outcome merged = run({"eval", "--data", path("data.jsonl"), "--json"},
                             {"--model", path("merged"), "--dtype", "f32", "--threads", "1"});
  const auto loss = [](const Outcome& outcome) {
    return io::Json::parse(outcome.out).at("loss").get<double>();
  };
  EXPECT_NEAR(loss(merged), loss(adapted), 1e-5);

  const io::Json inspected = io::Json::parse(run_lorry({"inspect", path("tokens"), "--json"}).out);
  EXPECT_EQ(inspected.at("trainable_token_indices"), (io::Json{117, 99}));
  EXPECT_EQ(inspected.at("trained_token_rows"), 2);
  // Two layers of q_proj at rank 2 and two rows.
  EXPECT_EQ(inspected.at("parameters"), 2 * 2 * (32 + 32) + 2 * 32);
  EXPECT_NE(run_lorry({"inspect", path("tokens")}).out.find("2 rows of the embedding or the head"),
            std::string::npos);
  const Outcome spectrum = run_lorry({"analyze", "spectrum", path("tokens")});
  EXPECT_EQ(spectrum.code, 0) << spectrum.err;
  EXPECT_NE(spectrum.err.find("what trainable_token_indices trained is left out"), std::string::npos);
  expect_refusal(run_lorry({"analyze", "compress", path("tokens"), "--rank", "1", "--out", path("small")}),
                 "field \"trainable_token_indices\": found in use", "small");
  const Outcome more = train("more", {"--adapter", path("tokens")});
  ASSERT_EQ(more.code, 0) << more.err;
  EXPECT_EQ(config("more").at("trainable_token_indices"), (io::Json{117, 99}));
  EXPECT_FALSE(weights("more") == weights("tokens"));
}

TEST_F(TokenOptions, ResumedRunsEndWithTheSameBits) {
  const Arguments options = {"--trainable-token-indices", "117,99", "--save-steps", "2"};
  ASSERT_EQ(train_tokens("whole", options).code, 0);
  cut_short("whole", "parts-of-it");
  Arguments resumed = options;
  resumed.emplace_back("--resume");
  const Outcome outcome = train_tokens("parts-of-it", resumed);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("after step 2 of 3"), std::string::npos) << outcome.err;
  EXPECT_TRUE(weights("parts-of-it") == weights("whole"));
  resumed[1] = "117,98";
  const Outcome other = train_tokens("parts-of-it", resumed);
  EXPECT_NE(other.code, 0);
  EXPECT_NE(other.err.find("trainable_token_indices: [117,99], now [117,98]"), std::string::npos)
      << other.err;
}

TEST_F(TokenOptions, PlansCountThem) {
  const auto planned = [](const Arguments& more) {
    Arguments arguments = {"--dry-run", "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Outcome outcome = train_tokens("planned", arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return io::Json::parse(outcome.out).at("trainable_parameters").get<Index>();
  };
  EXPECT_EQ(planned({"--trainable-token-indices", "117,99"}) - planned({}), 2 * 32);
  EXPECT_EQ(planned({"--trainable-token-indices", "embed_tokens=117", "--trainable-token-indices",
                     "lm_head=117,99"}) -
                planned({}),
            3 * 32);
}

TEST_F(TokenOptions, MistakesEndWithALine) {
  const auto fails = [](const Arguments& more, const std::string& words) {
    expect_refusal(train_tokens("wrong", more), words, "wrong");
  };
  constexpr const char* kFlag = "--trainable-token-indices";
  fails({kFlag, "5,260"}, "[lora] \"trainable_token_indices\": found 260; this model has tokens 0 to 259");
  fails({kFlag, "5,6,5"}, "\"trainable_token_indices\": found 5 twice; expected every token once");
  fails({kFlag, "q_proj=5"},
        "\"q_proj\" matches model.layers.0.self_attn.q_proj; expected the embedding or the "
        "head: embed_tokens or lm_head");
  fails({kFlag, "wte=5"}, "\"wte\" matches no module of this model; expected the embedding or the head");
  fails({kFlag, "five"}, "found \"five\"; expected token ids separated by commas, or NAME=IDS");
  fails({kFlag, "5", kFlag, "lm_head=5"}, "found \"lm_head=5\"; expected token ids separated by commas");
  fails({kFlag, "5", "--modules-to-save", "embed_tokens"},
        "found with modules_to_save of model.embed_tokens; expected one of them, as in PEFT");
  expect_refusal(train("wrong", {kFlag, "5", "--target-modules", "q_proj,embed_tokens"}),
                 "found with a low-rank update of model.embed_tokens; expected one of them, as in PEFT",
                 "wrong");
  fails({"--method", "full", kFlag, "5"}, "has no effect with --method full");
  fails({"--adapter", path("model"), kFlag, "5"}, "has no effect with --adapter, which brings its own");
}

constexpr const char* kNew = "<tool>,<answer>,<end>";

/// Records in which new tokens stand. The tiny model has rows for 260 tokens, its tokenizer 258.
class AddedTokens : public TokenOptions {
 protected:
  static void SetUpTestSuite() {
    TokenOptions::SetUpTestSuite();
    std::string records;
    for (const char* number : {"one", "two", "three"}) {
      records += fmt::format(R"({{"prompt": "say it:", "completion": " <tool> {} <answer>"}})", number);
      records += "\n";
    }
    io::put(path("new.jsonl"), records);
  }
  static Outcome train_new(const std::string& out, const Arguments& more) {
    Arguments arguments = {"train",
                           "--data",
                           path("new.jsonl"),
                           "--out",
                           path(out),
                           "--dtype",
                           "f32",
                           "--threads",
                           "1",
                           "--steps",
                           "3",
                           "--lr",
                           "0.01",
                           "--target-modules",
                           "q_proj",
                           "--rank",
                           "2"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_lorry(arguments);
  }
  static double loss(const Arguments& model) {
    const Outcome outcome =
        run({"eval", "--data", path("new.jsonl"), "--json", "--dtype", "f32", "--threads", "1"}, model);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.code == 0 ? io::Json::parse(outcome.out).at("loss").get<double>() : 0.0;
  }
  static bool has_tokens(const std::string& folder) {
    const io::Json tokens = io::read_json_file(path(folder) + "/tokenizer.json").at("added_tokens");
    return tokens.size() >= 3 && tokens.at(tokens.size() - 3).at("content") == "<tool>" &&
           tokens.at(tokens.size() - 3).at("id") == 258 && tokens.back().at("content") == "<end>" &&
           tokens.back().at("special") == true;
  }
};

TEST_F(AddedTokens, AdaptersCarryThemToEveryCommand) {
  const Outcome first =
      train_new("added", {"--model", path("model"), "--add-tokens", kNew, "--save-steps", "2"});
  ASSERT_EQ(first.code, 0) << first.err;
  const io::Json ids = {258, 259, 260};
  EXPECT_EQ(config("added").at("trainable_token_indices"),
            (io::Json{{"embed_tokens", ids}, {"lm_head", ids}}));
  EXPECT_EQ(shape("added", kEmbeddingRows), (std::vector<Index>{3, 32}));
  EXPECT_EQ(shape("added", kHeadRows), (std::vector<Index>{3, 32}));
  EXPECT_TRUE(has_tokens("added"));
  EXPECT_TRUE(has_tokens("added/checkpoint-2"));

  const Arguments adapted = {"--model", path("model"), "--adapter", path("added")};
  const double trained = loss(adapted);
  EXPECT_NE(loss({"--model", path("model"), "--adapter", path("added") + "/checkpoint-2"}), trained);
  EXPECT_EQ(
      run({"generate", "--prompt", "say <tool>", "--max-new-tokens", "4", "--threads", "1"}, adapted).code,
      0);
  const Outcome merge = run({"merge", "--out", path("merged-added"), "--threads", "1"}, adapted);
  ASSERT_EQ(merge.code, 0) << merge.err;
  EXPECT_EQ(io::read_json_file(path("merged-added") + "/config.json").at("vocab_size"), 261);
  EXPECT_TRUE(has_tokens("merged-added"));
  EXPECT_NEAR(loss({"--model", path("merged-added")}), trained, 1e-5);

  ASSERT_EQ(train_new("added-again", {"--config", path("added") + "/train.yaml"}).code, 0);
  EXPECT_TRUE(weights("added-again") == weights("added"));
  io::put(path("new.yaml"), "add_tokens: [<tool>, <answer>, <end>]\n");
  ASSERT_EQ(train_new("added-list", {"--model", path("model"), "--config", path("new.yaml")}).code, 0);
  EXPECT_TRUE(weights("added-list") == weights("added"));

  const Outcome more = train_new("more-added", adapted);
  EXPECT_EQ(more.code, 2);  // the options of a fresh adapter have no effect
  Arguments on = {"train",     "--data", path("new.jsonl"), "--out", path("trained-on"), "--dtype", "f32",
                  "--threads", "1",      "--steps",         "1"};
  on.insert(on.end(), adapted.begin(), adapted.end());
  ASSERT_EQ(run_lorry(on).code, 0);
  EXPECT_TRUE(has_tokens("trained-on"));
  EXPECT_EQ(shape("trained-on", kEmbeddingRows), (std::vector<Index>{3, 32}));
}

TEST_F(AddedTokens, ResumedRunsEndWithTheSameBits) {
  const Arguments options = {"--model", path("model"), "--add-tokens", kNew, "--save-steps", "2"};
  ASSERT_EQ(train_new("whole-added", options).code, 0);
  cut_short("whole-added", "part-added");
  Arguments resumed = options;
  resumed.emplace_back("--resume");
  ASSERT_EQ(train_new("part-added", resumed).code, 0);
  EXPECT_TRUE(weights("part-added") == weights("whole-added"));
}

TEST_F(AddedTokens, PaddedVocabulariesHaveRowsForThem) {
  ASSERT_EQ(train_new("on-padded", {"--model", path("model"), "--add-tokens", "<tool>,<answer>"}).code, 0);
  EXPECT_EQ(shape("on-padded", kEmbeddingRows), (std::vector<Index>{2, 32}));
  const Arguments adapted = {"--model", path("model"), "--adapter", path("on-padded")};
  ASSERT_EQ(run({"merge", "--out", path("merged-padded"), "--threads", "1"}, adapted).code, 0);
  EXPECT_EQ(io::read_json_file(path("merged-padded") + "/config.json").at("vocab_size"), 260);
  EXPECT_NEAR(loss({"--model", path("merged-padded")}), loss(adapted), 1e-5);
}

TEST_F(AddedTokens, TablesThatTrainInFullHaveNoRowsBeside) {
  ASSERT_EQ(train_new("saved-added", {"--model", path("model"), "--add-tokens", kNew, "--modules-to-save",
                                      "embed_tokens,lm_head"})
                .code,
            0);
  EXPECT_EQ(shape("saved-added", "base_model.model.model.embed_tokens.weight"),
            (std::vector<Index>{261, 32}));
  EXPECT_FALSE(config("saved-added").contains("trainable_token_indices"));
  EXPECT_GT(loss({"--model", path("model"), "--adapter", path("saved-added")}), 0.0);
}

TEST_F(AddedTokens, MistakesEndWithALine) {
  const auto fails = [](const Arguments& more, const std::string& words) {
    Arguments arguments = {"--model", path("model")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    expect_refusal(train_new("wrong", arguments), words, "wrong");
  };
  fails({"--add-tokens", "<s>"},
        "--add-tokens: found \"<s>\", which " + path("model") + "/tokenizer.json has as 0");
  fails({"--add-tokens", "<a>,<a>"}, "--add-tokens: found \"<a>\" twice; expected every token once");
  for (const std::string text : {",", "<a>,", ",<a>", "<a>,,<b>"}) {
    fails({"--add-tokens", text},
          fmt::format("--add-tokens: found \"{}\"; expected tokens separated by commas", text));
  }
  expect_refusal(train("wrong", {"--add-tokens", "<a>", "--target-modules", "q_proj,lm_head"}),
                 "found with a low-rank update of lm_head; expected one of them, as in PEFT", "wrong");
}

}  // namespace
}  // namespace lorry::cli
