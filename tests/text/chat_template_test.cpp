// Texts, ids and masks of conversations against transformers' apply_chat_template
// (scripts/golden/chat_templates.py).
#include "text/chat_template.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>

#include "core/error.hpp"
#include "text/chat_encoder.hpp"
#include "text/golden_support.hpp"

namespace lorry::text {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<std::int32_t>;

const Json& golden() {
  static const Json kGolden = read_golden("chat.json");
  return kGolden;
}

Conversation conversation_of(const Json& messages, const Json& tools = Json::array()) {
  Conversation chat{.messages = {}, .tools = tools.get<std::vector<std::string>>(), .where = "[test] chat"};
  for (const Json& entry : messages) {
    Message message{.role = entry["role"], .content = entry["content"]};
    for (const Json& call : entry.value("tool_calls", Json::array())) {
      message.tool_calls.push_back({call["name"], call["arguments"]});
    }
    chat.messages.push_back(std::move(message));
  }
  return chat;
}

ChatEnd end_of(const Json& example) {
  return example["ask"].get<bool>() ? ChatEnd::kAsk : ChatEnd::kAsItIs;
}

std::string text_or_empty(const Json& value) {
  return value.is_null() ? "" : value.get<std::string>();
}

std::vector<Index> flat(const std::vector<Span>& spans) {
  std::vector<Index> ends;
  for (const Span& span : spans) ends.insert(ends.end(), {span.begin, span.end});
  return ends;
}

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::string name_of_case(const testing::TestParamInfo<std::size_t>& which) {
  std::string name = golden()["cases"][which.param]["template"];
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '.' || c == '-'; }, '_');
  return name;
}

/// One template with the tokenizer that the golden data used.
class ChatTemplates : public testing::TestWithParam<std::size_t> {
 protected:
  void SetUp() override {
    const auto folder = scratch_folder();
    Json file = read_golden(case_["tokenizer"].get<std::string>() + "/tokenizer.json");
    for (const Json& token : case_["added_tokens"]) file["added_tokens"].push_back(token);
    std::ofstream(folder / "tokenizer.json") << file.dump();
    std::ofstream(folder / "tokenizer_config.json")
        << Json{{"bos_token", case_["bos"]}, {"eos_token", case_["eos"]}}.dump();
    tokenizer_ = std::make_shared<const Tokenizer>(Tokenizer::load(folder));
    chat_template_ = find_chat_template(case_["template"].get<std::string>());
    ASSERT_NE(chat_template_, nullptr);
    tokens_ = {text_or_empty(case_["bos"]), text_or_empty(case_["eos"])};
  }
  [[nodiscard]] ChatEncoder encoder() const {
    return {tokenizer_, *chat_template_, tokenizer_->bos_id(), tokenizer_->eos_id()};
  }

  const Json& case_ = golden()["cases"][GetParam()];
  std::shared_ptr<const Tokenizer> tokenizer_;
  const ChatTemplate* chat_template_ = nullptr;
  ChatTokens tokens_;
};

TEST_P(ChatTemplates, TextsAreThoseOfTransformers) {
  for (const Json& example : case_["examples"]) {
    const Conversation chat = conversation_of(example["messages"], example["tools"]);
    EXPECT_EQ(chat_template_->render(chat, tokens_, end_of(example)).text,
              example["text"].get<std::string>());
  }
}

TEST_P(ChatTemplates, IdsAndMasksAreThoseOfTransformers) {
  const ChatEncoder encoder = this->encoder();
  std::size_t masks = 0;
  for (const Json& example : case_["examples"]) {
    const Conversation chat = conversation_of(example["messages"], example["tools"]);
    const ChatIds got = encoder.encode(chat, end_of(example));
    const Ids wanted = example["ids"].get<Ids>();
    EXPECT_EQ(tokenizer_->decode(got.ids, false), tokenizer_->decode(wanted, false));
    // Breaks that begin an answer join those before it there; here the answer begins with a token of its own.
    const bool joins = example["messages"].back()["content"].get<std::string>().starts_with("\n");
    if (joins && got.ids != wanted) continue;
    EXPECT_EQ(got.ids, wanted) << example["text"];
    if (!example.contains("learnt")) continue;
    ++masks;
    // Phi's tokens take the white space that an answer begins with; that is no reason to learn to ask.
    const bool taken = case_["template"] == "phi" &&
                       example["text"].get<std::string>().find("<|assistant|>\n Four") != std::string::npos;
    if (taken || (joins && case_["template"] == "phi")) continue;
    std::vector<Index> spans;
    for (const Json& span : example["learnt"]) spans.insert(spans.end(), {span[0], span[1]});
    EXPECT_EQ(flat(got.learnt), spans) << example["text"];
  }
  const std::size_t expected = case_["template"] == "qwen3" ? 0 : 2;
  EXPECT_GE(masks, expected);
}

TEST_P(ChatTemplates, EveryAnswerBeginsAsOneThatIsAskedFor) {
  const ChatEncoder encoder = this->encoder();
  const bool thinks = case_["template"] == "qwen3";
  for (const Json& example : case_["examples"]) {
    const Conversation chat = conversation_of(example["messages"], example["tools"]);
    const ChatIds whole = encoder.encode(chat, ChatEnd::kAsItIs);
    std::size_t answer = 0;
    for (std::size_t i = 0; i < chat.messages.size(); ++i) {
      if (chat.messages[i].role != "assistant") continue;
      const Span learnt = whole.learnt.at(answer++);
      Conversation before = chat;
      before.messages.resize(i);
      // Qwen3 announces a thought only in the last turn, and a real one is the model's own to begin.
      const bool last = i + 1 == chat.messages.size();
      if (thinks && (!last || chat.messages[i].content.starts_with("<think>"))) continue;
      const Ids asked = encoder.encode(before, ChatEnd::kAsk).ids;
      EXPECT_EQ(asked, Ids(whole.ids.begin(), whole.ids.begin() + learnt.begin)) << example["text"];
    }
  }
}

TEST_P(ChatTemplates, AnswersEndWithTheLearntEndOfTurn) {
  const ChatEncoder encoder = this->encoder();
  const Json& example = case_["examples"][0];
  const ChatIds ids = encoder.encode(conversation_of(example["messages"]), ChatEnd::kAsItIs);
  ASSERT_EQ(ids.learnt.size(), 1U);
  ASSERT_TRUE(encoder.turn_end_id().has_value());
  EXPECT_EQ(ids.ids[static_cast<std::size_t>(ids.learnt[0].end) - 1], *encoder.turn_end_id());
  EXPECT_EQ(tokenizer_->token(*encoder.turn_end_id()), encoder.turn_end());
}

TEST_P(ChatTemplates, BosStandsAtTheStartOnce) {
  const auto bos = tokenizer_->bos_id();
  if (!bos) GTEST_SKIP() << "a tokenizer without BOS";
  const Ids ids = encoder().encode(conversation_of(case_["examples"][0]["messages"]), ChatEnd::kAsItIs).ids;
  EXPECT_EQ(ids.front(), *bos);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), *bos), 1);
}

TEST_P(ChatTemplates, RefusesWhatTheTemplateRaises) {
  for (const Json& messages : case_["refused"]) {
    const std::string message =
        message_of([&] { static_cast<void>(encoder().encode(conversation_of(messages), ChatEnd::kAsItIs)); });
    EXPECT_TRUE(
        message.starts_with("[test] chat: messages[0].role: found \"system\"; expected user or assistant"))
        << message;
  }
}

TEST_P(ChatTemplates, IsRecognisedByItsJinjaText) {
  const auto jinja = case_["jinja"].get<std::string>();
  EXPECT_EQ(chat_template_->jinja, jinja) << "run scripts/golden/chat_templates.py again";
  EXPECT_EQ(recognise_chat_template(jinja), chat_template_);
  EXPECT_EQ(recognise_chat_template(jinja + "{# a remark #}"), chat_template_);
  EXPECT_EQ(recognise_chat_template(jinja + "x"), nullptr);
  EXPECT_EQ(recognise_chat_template(jinja.substr(0, jinja.size() - 12)), nullptr);
}

INSTANTIATE_TEST_SUITE_P(All, ChatTemplates, testing::Range<std::size_t>(0, 15), name_of_case);

TEST(ChatTemplateTable, HasGoldenDataForEveryName) {
  std::string names;
  for (const Json& one : golden()["cases"]) {
    names += (names.empty() ? "" : ", ") + one["template"].get<std::string>();
  }
  EXPECT_EQ(chat_template_names(), names);
  EXPECT_EQ(find_chat_template("chatML"), nullptr);
}

TEST(RecogniseChatTemplate, TakesOtherSpellings) {
  const auto name_of = [](std::string_view jinja) {
    const ChatTemplate* found = recognise_chat_template(jinja);
    return found == nullptr ? std::string_view("none") : found->name;
  };
  EXPECT_EQ(
      name_of(
          "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}"
          "{% for message in messages %}{{ '<|im_start|>' + message.role + \"\\n\" }}"
          "{{- message.content -}}\n{{'<|im_end|>\\n'}}{% endfor %}\n"
          "{%- if add_generation_prompt -%}\n<|im_start|>assistant\n{# as text #}{% endif %}"),
      "chatml");
  const std::string_view gemma = find_chat_template("gemma")->jinja;
  EXPECT_EQ(name_of(gemma.substr(gemma.find("}}") + 2)), "gemma");  // the first release had no BOS in it
  // The template of Llama 3.1 is long; what tells it apart is enough.
  EXPECT_EQ(
      name_of("{{ bos_token }}<|start_header_id|>Environment: ipython Cutting Knowledge Date: December 2023 "
              "26 Jul 2024 <|eot_id|><|python_tag|>"),
      "llama3.1");
}

TEST(RecogniseChatTemplate, TakesNothingThatPrintsOtherwise) {
  const std::string chatml(find_chat_template("chatml")->jinja);
  for (const auto& [from, to] :
       {std::pair<std::string, std::string>{"message['content']", "message['content'] | trim"},
        {"<|im_end|>' + '\\n'", "<|im_end|>'"},
        {"assistant\\n", "assistant"},
        {"{% for", "{{ bos_token }}{% for"},
        {"in messages", "in messages[1:]"}}) {
    std::string other = chatml;
    ASSERT_NE(other.find(from), std::string::npos);
    other.replace(other.find(from), from.size(), to);
    EXPECT_EQ(recognise_chat_template(other), nullptr) << other;
    EXPECT_EQ(resembling_chat_templates(other), "chatml");
  }
  EXPECT_EQ(resembling_chat_templates("{{ messages }}"), "");
}

TEST(RecogniseChatTemplate, SurvivesMalformedText) {
  const std::string_view text = find_chat_template("qwen3")->jinja;
  for (std::size_t size = 0; size < text.size(); size += 7) {
    EXPECT_EQ(recognise_chat_template(text.substr(0, size)), nullptr);
  }
  for (const char* broken : {"{{", "{%", "{#", "{{ '", "{{ 'a\\", "{%- ", "{{-}}", "{{--}}", "{{}}", "{"}) {
    EXPECT_EQ(recognise_chat_template(broken), nullptr);
  }
}

TEST(ChatTemplateErrors, SayWhereAndWhat) {
  const auto refuse = [](const char* name, std::vector<Message> messages, const ChatTokens& tokens) {
    const Conversation chat{.messages = std::move(messages), .where = "[data] a.jsonl:3"};
    return message_of(
        [&] { static_cast<void>(find_chat_template(name)->render(chat, tokens, ChatEnd::kAsItIs)); });
  };
  const ChatTokens ends = {"<s>", "</s>"};
  EXPECT_EQ(refuse("llama2", {{"user", "a"}, {"user", "b"}}, ends),
            "[data] a.jsonl:3: messages[1].role: found \"user\"; expected \"assistant\": in the template "
            "llama2 user "
            "and assistant take turns");
  EXPECT_EQ(
      refuse("llama2", {{"user", "a"}}, {"<s>", ""}),
      "[data] a.jsonl:3: the template llama2 ends turns with the end-of-text token, and the tokenizer names "
      "none; expected eos_token in tokenizer_config.json");
  EXPECT_EQ(
      refuse("zephyr", {{"user", "a"}, {"tool", "b"}}, ends),
      "[data] a.jsonl:3: messages[1].role: found \"tool\"; expected system, user or assistant: the template "
      "zephyr has no other");
  EXPECT_EQ(
      refuse("chatml", {{.role = "assistant", .content = "", .tool_calls = {{"f", "{}"}}}}, ends),
      "[data] a.jsonl:3: messages[0].tool_calls: the template chatml does not show calls of tools; expected "
      "none");
}

TEST(ChatTemplateInput, AlpacaHasAPlaceForItAndOthersAddALine) {
  const Conversation chat{
      .messages = {{.role = "user", .content = "Sort.", .input = "b a"}, {"assistant", "a b"}}};
  EXPECT_EQ(find_chat_template("alpaca")->render(chat, {"", "</s>"}, ChatEnd::kAsItIs).text,
            "Below is an instruction that describes a task, paired with an input that provides further "
            "context. Write "
            "a response that appropriately completes the request.\n\n### Instruction:\nSort.\n\n### "
            "Input:\nb a\n\n### "
            "Response:\na b</s>");
  EXPECT_EQ(find_chat_template("chatml")->render(chat, {}, ChatEnd::kAsItIs).text,
            "<|im_start|>user\nSort.\nb a<|im_end|>\n<|im_start|>assistant\na b<|im_end|>\n");
}

TEST(EncodeCut, IsTheWholeTextWhereTokensEndAtTheCuts) {
  for (const char* family : {"llama2", "llama3", "mistral", "qwen2"}) {
    const Tokenizer tokenizer = Tokenizer::load(golden_path(family));
    const std::string text = "One two  three</s><|im_end|>four\nfive";
    const CutIds cut = tokenizer.encode_cut(text, std::vector<Index>{0, 3, std::ssize(text)});
    EXPECT_EQ(cut.ids, tokenizer.encode(text, false)) << family;
    EXPECT_EQ(cut.at[0], 0);
    EXPECT_EQ(cut.at[1], std::ssize(tokenizer.encode("One", false))) << family;
    EXPECT_EQ(cut.at[2], std::ssize(cut.ids));
  }
}

TEST(EncodeCut, NoTokenLiesAcrossACutAndLaterTextChangesNothing) {
  const Tokenizer tokenizer = Tokenizer::load(golden_path("qwen2"));
  const std::string text = "another thing\n\n\nand more";
  for (Index first = 1; first < std::ssize(text); ++first) {
    for (Index second = first; second < std::ssize(text); ++second) {
      const std::vector<Index> cuts = {first, second};
      const CutIds cut = tokenizer.encode_cut(text, cuts);
      for (std::size_t i = 0; i < 2; ++i) {
        const Ids before(cut.ids.begin(), cut.ids.begin() + cut.at[i]);
        EXPECT_EQ(tokenizer.decode(before), text.substr(0, static_cast<std::size_t>(cuts[i])));
        // As a text that ends there.
        const std::string head = text.substr(0, static_cast<std::size_t>(cuts[i]));
        EXPECT_EQ(tokenizer.encode_cut(head, std::span(cuts).first(i + 1)).ids, before);
      }
      EXPECT_EQ(tokenizer.decode(cut.ids), text);
    }
  }
}

}  // namespace
}  // namespace lorry::text
