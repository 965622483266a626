// Conversations as people write them: kinds of records, their keys, and what is learnt of them.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>

#include "core/error.hpp"
#include "data/dataset.hpp"
#include "data/packing.hpp"
#include "data/record_parser.hpp"

namespace lorry::data {
namespace {

using Ids = std::vector<std::int32_t>;

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

Record parse(std::string_view line, const RecordKeys& keys = {}) {
  return parse_record(line, std::nullopt, keys, "a.jsonl:1");
}

std::string fault(std::string_view line, std::optional<RecordKind> kind = {}, const RecordKeys& keys = {}) {
  return message_of([&] { parse_record(line, kind, keys, "a.jsonl:7"); });
}

/// "user: a | assistant: b".
std::string turns(const Record& record) {
  std::string text;
  for (const text::Message& message : record.conversation.messages) {
    text += (text.empty() ? "" : " | ") + message.role + ": " + message.content;
    if (!message.input.empty()) text += " (" + message.input + ")";
  }
  return text;
}

TEST(ParseRecord, TakesMessages) {
  const Record record = parse(R"({"messages":[{"role":"system","content":"s"},{"role":"user","content":"a"},
                                  {"role":"assistant","content":"b"}],"id":3})");
  EXPECT_EQ(record.kind, RecordKind::kMessages);
  EXPECT_EQ(turns(record), "system: s | user: a | assistant: b");
}

TEST(ParseRecord, TakesToolsAndCalls) {
  const Record record = parse(
      R"({"tools":[{"type":"function","function":{"name":"wind","a":[1,0.5,null,true,"ü\n"],"b":{}}}],
          "messages":[{"role":"assistant","content":null,"tool_calls":[
            {"type":"function","function":{"name":"wind","arguments":{"at":"Kiel","n":2}}},
            {"name":"wind","arguments":"{\"at\": 1}"}]}, {"role":"tool","content":"west"}]})");
  // As Python's json.dumps(ensure_ascii=False) writes it, keys in the file's order.
  EXPECT_EQ(record.conversation.tools,
            (std::vector<std::string>{
                R"({"type": "function", "function": {"name": "wind", "a": [1, 0.5, null, true, )"
                R"("ü\n"], "b": {}}})"}));
  const auto& calls = record.conversation.messages.at(0).tool_calls;
  ASSERT_EQ(calls.size(), 2U);
  EXPECT_EQ(calls[0].arguments, R"({"at": "Kiel", "n": 2})");
  EXPECT_EQ(calls[1].arguments, R"({"at": 1})");
  EXPECT_EQ(parse(R"({"messages":[{"role":"user","content":"a"}],"tools":"[{\"name\":\"x\"}]"})")
                .conversation.tools,
            (std::vector<std::string>{R"({"name": "x"})"}));
}

TEST(ParseRecord, TakesAlpaca) {
  const Record record = parse(R"({"instruction":"Sort.","input":"b a","output":"a b","system":"s",
                                  "history":[["q","r"]]})");
  EXPECT_EQ(record.kind, RecordKind::kAlpaca);
  EXPECT_EQ(turns(record), "system: s | user: q | assistant: r | user: Sort. (b a) | assistant: a b");
  EXPECT_EQ(turns(parse(R"({"instruction":"Sort.","output":"x"})")), "user: Sort. | assistant: x");
}

TEST(ParseRecord, TakesSharegpt) {
  const Record record =
      parse(R"({"conversations":[{"from":"human","value":"a"},{"from":"gpt","value":"b"}]})");
  EXPECT_EQ(record.kind, RecordKind::kSharegpt);
  EXPECT_EQ(turns(record), "user: a | assistant: b");
}

TEST(ParseRecord, TakesOtherKeys) {
  RecordKeys keys;
  keys.messages = "chat";
  keys.role = "who";
  keys.content = "what";
  EXPECT_EQ(turns(parse(R"({"chat":[{"who":"user","what":"a"}]})", keys)), "user: a");
  keys.prompt = "q";
  keys.completion = "a";
  const Record record = parse(R"({"q":"x","a":"y","chat":1})", keys);
  EXPECT_EQ(record.prompt + record.text, "xy");
  EXPECT_NE(fault(R"({"prompt":"x","completion":"y"})", {}, keys), "");
}

TEST(ParseRecord, RefusesARecordOfAnotherKind) {
  EXPECT_EQ(fault(R"({"messages":[]})", RecordKind::kAlpaca),
            "[data] a.jsonl:7: found a record of messages; expected alpaca, as the file's first record");
  EXPECT_EQ(fault(R"({"instruction":"a","output":"b"})", RecordKind::kCompletion),
            "[data] a.jsonl:7: found a record of alpaca; expected prompt and completion, as the file's first "
            "record");
  EXPECT_EQ(fault(R"({"x":1})", RecordKind::kMessages),
            "[data] a.jsonl:7: key \"messages\": missing; expected it as in the file's first record");
}

TEST(ParseRecord, NamesTheFieldThatIsWrong) {
  EXPECT_EQ(fault(R"({"messages":{}})"), "[data] a.jsonl:7: key \"messages\": found object; expected a list");
  EXPECT_EQ(fault(R"({"messages":[{"role":"assistant","content":"a","tool_calls":{"name":"f"}}]})"),
            "[data] a.jsonl:7: key \"messages[0].tool_calls\": found object; expected a list");
  EXPECT_EQ(fault(R"({"messages":[]})"),
            "[data] a.jsonl:7: key \"messages\": empty; expected at least one message");
  EXPECT_EQ(fault(R"({"messages":[1]})"),
            "[data] a.jsonl:7: key \"messages[0]\": found number; expected an object");
  EXPECT_EQ(
      fault(R"({"messages":[{"role":"user","content":"a"},{"role":"bot","content":"b"}]})"),
      "[data] a.jsonl:7: key \"messages[1].role\": found \"bot\"; expected system, user, assistant or tool");
  EXPECT_EQ(fault(R"({"messages":[{"role":"user","content":[{"type":"text"}]}]})"),
            "[data] a.jsonl:7: key \"messages[0].content\": found array; expected a string");
  EXPECT_EQ(fault(R"({"conversations":[{"from":"alien","value":"a"}]})"),
            "[data] a.jsonl:7: key \"conversations[0].from\": found \"alien\"; expected human, gpt, system "
            "or tool");
  EXPECT_EQ(fault(R"({"instruction":"a","output":""})"),
            "[data] a.jsonl:7: key \"output\": empty; expected text to learn");
  EXPECT_EQ(fault(R"({"instruction":"a","output":"b","history":[["q"]]})"),
            "[data] a.jsonl:7: key \"history\": found array; expected a list of [question, answer]");
  EXPECT_EQ(fault(R"({"messages":[{"role":"user","content":"a"}],"tools":"x"})"),
            "[data] a.jsonl:7: key \"tools\": found string; expected a list, or a string with one as JSON");
  std::string deep = R"({"messages":[{"role":"user","content":"a"}],"tools":[)" + std::string(5000, '[');
  deep += std::string(5000, ']') + "]}";
  EXPECT_EQ(fault(deep), "[data] a.jsonl:7: tools nest deeper than 100 levels");
}

/// Tokens 0 to 255 are bytes; 256 begins a text, 257 is "<|im_end|>".
class Chats : public testing::Test {
 protected:
  static constexpr std::int32_t kEnd = 257;

  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) /
              testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(folder_);
    write_tokenizer();
    auto tokenizer = std::make_shared<const text::Tokenizer>(text::Tokenizer::load(folder_));
    encoder_.encode = [tokenizer](std::string_view text, bool special) {
      return tokenizer->encode(text, special);
    };
    encoder_.chat = [tokenizer](RecordKind) {
      return std::make_shared<const text::ChatEncoder>(tokenizer, *text::find_chat_template("chatml"), 256,
                                                       kEnd);
    };
    tokenizer_ = std::move(tokenizer);
  }
  void write_tokenizer() const {
    nlohmann::json vocabulary;
    int next = 256;
    for (int byte = 0; byte < 256; ++byte) {
      const bool shown = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
      const int code = shown ? byte : next++;
      std::string character;
      if (code < 0x80) {
        character = static_cast<char>(code);
      } else {
        character = {static_cast<char>(0xC0 | (code >> 6)), static_cast<char>(0x80 | (code & 0x3F))};
      }
      vocabulary[character] = byte;
    }
    const auto special = [](int id, const char* text) {
      return nlohmann::json{{"id", id},        {"content", text}, {"single_word", false},
                            {"lstrip", false}, {"rstrip", false}, {"normalized", false},
                            {"special", true}};
    };
    const nlohmann::json bytes = {
        {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
    const nlohmann::json file = {
        {"version", "1.0"},
        {"added_tokens", {special(256, "<s>"), special(kEnd, "<|im_end|>")}},
        {"pre_tokenizer", bytes},
        {"decoder", bytes},
        {"post_processor",
         {{"type", "TemplateProcessing"},
          {"single",
           {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}},
            {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
          {"pair", nlohmann::json::array()},
          {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {256}}, {"tokens", {"<s>"}}}}}}}},
        {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", nlohmann::json::array()}}}};
    std::ofstream(folder_ / "tokenizer.json") << file.dump();
  }
  [[nodiscard]] std::filesystem::path put(const std::string& name, std::string_view text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }
  /// What is learnt, as text; runs of masked tokens as "_".
  [[nodiscard]] std::string learnt(const Document& document) const {
    std::string text;
    for (Index t = 0; t < document.size(); ++t) {
      if (document.learns(t)) {
        text += tokenizer_->decode(Ids{document.ids[static_cast<std::size_t>(t)]}, false);
      } else if (!text.ends_with('_')) {
        text += '_';
      }
    }
    return text;
  }

  std::filesystem::path folder_;
  std::shared_ptr<const text::Tokenizer> tokenizer_;
  Encoder encoder_;
};

constexpr std::string_view kTwoTurns =
    R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"bb"},)"
    R"({"role":"user","content":"c"},{"role":"assistant","content":"dd"}]})";

TEST_F(Chats, LearnTheAssistantsTurnsWithTheirEndTokens) {
  const Document document = encode_record(encoder_, parse(kTwoTurns));
  EXPECT_EQ(learnt(document), "_bb<|im_end|>_dd<|im_end|>_");
  EXPECT_EQ(document.target_count(), 6);
  EXPECT_EQ(document.ids.front(), 256);
  EXPECT_EQ(std::count(document.ids.begin(), document.ids.end(), 256), 1);
  encoder_.train_on_prompt = true;
  EXPECT_EQ(encode_record(encoder_, parse(kTwoTurns)).target_count(), document.size() - 1);
}

TEST_F(Chats, ThatNobodyAnswersHaveNothingToLearn) {
  const Document document = encode_record(encoder_, parse(R"({"messages":[{"role":"user","content":"a"}]})"));
  EXPECT_EQ(document.target_count(), 0);
  EXPECT_EQ(learnt(document), "_");
}

TEST_F(Chats, CompletionsBecomeOneTurnWhereATemplateIsAskedFor) {
  const Record record = parse(R"({"prompt":"a","completion":"bb"})");
  EXPECT_EQ(learnt(encode_record(encoder_, record)), "_bb");
  encoder_.chat_completions = true;
  const Document document = encode_record(encoder_, record);
  EXPECT_EQ(learnt(document), "_bb<|im_end|>_");
  EXPECT_EQ(tokenizer_->decode(document.ids, false),
            "<s><|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nbb<|im_end|>\n");
}

TEST_F(Chats, BatchesHaveTargetsWhereDocumentsLearn) {
  const std::vector<Document> documents = {encode_record(encoder_, parse(kTwoTurns))};
  const std::vector<Sequence> sequences = {{0}};
  const Batch batch = make_batch(documents, sequences, 1);
  Index targets = 0;
  for (Index t = 0; t + 1 < documents[0].size(); ++t) {
    const bool learns = documents[0].learns(t + 1);
    EXPECT_EQ(batch.targets[static_cast<std::size_t>(t)],
              learns ? documents[0].ids[static_cast<std::size_t>(t) + 1] : -1);
    if (learns) ++targets;
  }
  EXPECT_EQ(batch.target_count, targets);
}

TEST_F(Chats, WindowsKeepTheirPartOfTheMask) {
  const Document document = encode_record(encoder_, parse(kTwoTurns));
  for (Index length = 2; length < document.size(); ++length) {
    for (Index first = 0; first < document.size(); first += length) {
      const Index last = std::min(first + length, document.size());
      const Document window = cut_window(document, first, last);
      Index count = 0;
      for (Index t = 0; t < window.size(); ++t) {
        EXPECT_EQ(window.learns(t), t > 0 && document.learns(first + t));
        if (window.learns(t)) ++count;
      }
      EXPECT_EQ(window.target_count(), count);
    }
  }
}

TEST_F(Chats, AreRefusedWhereEveryLabelIsMasked) {
  const auto file = put("a.jsonl", R"({"messages":[{"role":"user","content":"a"}]})");
  EXPECT_EQ(
      message_of([&] { load_dataset(file, encoder_, 64); }),
      "[data] " + file.string() +
          ": empty data: none of 1 records has a token to learn within 64 tokens; expected at least one");
}

TEST_F(Chats, SayWhichFormatTheyAreReadAs) {
  const Dataset dataset = load_dataset(put("a.jsonl", kTwoTurns), encoder_, 256);
  EXPECT_EQ(dataset.format, "messages (template chatml)");
  EXPECT_EQ(dataset.chat_template, "chatml");
  EXPECT_EQ(load_dataset(put("b.jsonl", R"({"tools":[{}],"messages":[{"role":"user","content":"a"},)"
                                        R"({"role":"assistant","content":"b"}]})"),
                         encoder_, 256)
                .hidden_tools,
            1);
}

TEST_F(Chats, ATemplateForTextsIsRefused) {
  encoder_.chat_completions = true;
  const auto file = put("a.jsonl", R"({"text":"a"})");
  EXPECT_EQ(message_of([&] { load_dataset(file, encoder_, 64); }),
            "[data] " + file.string() +
                ":1: found a record of text, which has no turns; expected no --chat-template for it");
}

}  // namespace
}  // namespace lorry::data
