// Data as users bring them: lorry data, and training and evaluation of conversations.
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/program.hpp"
#include "io/io_support.hpp"
#include "text/chat_template.hpp"

namespace lorry::cli {
namespace {

using Json = nlohmann::json;
using Arguments = std::vector<std::string>;

Arguments operator+(Arguments a, const Arguments& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

constexpr std::string_view kChats =
    "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\",\"content\":\"Yo\"},"
    "{\"role\":\"user\",\"content\":\"Why?\"},{\"role\":\"assistant\",\"content\":\"So.\"}]}\n"
    "{\"messages\":[{\"role\":\"user\",\"content\":\"Only asked\"}]}\n";

class Data : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch_ = std::make_unique<io::ScratchFolder>();
    make_tiny_model(path("parts"), path("model"));
    io::put(path("chats.jsonl"), kChats);
    io::put(path("pairs.jsonl"), counting_records(20));
  }
  static void TearDownTestSuite() { scratch_.reset(); }

  static std::string path(std::string_view name) { return *scratch_ / name; }
  static Arguments data(const std::string& file) {
    return {"data", "--model", path("model"), "--data", path(file)};
  }
  static Arguments train(const std::string& out) {
    return {"train",   "--model", path("model"), "--out", path(out),          "--steps", "2",
            "--dtype", "f32",     "--threads",   "1",     "--max-seq-length", "64",      "--json"};
  }
  static Json report(const Arguments& arguments) {
    const Outcome outcome = run_lorry(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return Json::parse(outcome.out, nullptr, false);
  }
  static std::string error_of(const Arguments& arguments, int code = 1) {
    const Outcome outcome = run_lorry(arguments);
    EXPECT_EQ(outcome.code, code) << outcome.out;
    return outcome.err;
  }

  static std::unique_ptr<io::ScratchFolder> scratch_;
};

std::unique_ptr<io::ScratchFolder> Data::scratch_;

TEST_F(Data, ShowsTokensWithPlainMarksOfWhatIsLearnt) {
  const Outcome outcome = run_lorry(data("chats.jsonl") + Arguments{"--chat-template", "vicuna"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find(":1: "), std::string::npos);
  EXPECT_NE(outcome.out.find("|A|S|S|I|S|T|A|N|T|:|\u00AB |Y|o|</s>\u00BB|U|S|E|R|:"), std::string::npos)
      << outcome.out;
  EXPECT_EQ(outcome.out.find('\033'), std::string::npos);
  EXPECT_NE(outcome.out.find("2 records of messages (template vicuna)"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("1 of 2 records have nothing to learn and are dropped: chats.jsonl:2"),
            std::string::npos)
      << outcome.out;
}

TEST_F(Data, ReportsLengthsAndWhatIsCut) {
  const Json json =
      report(data("pairs.jsonl") + Arguments{"--json", "--max-seq-length", "13", "--records", "1"});
  EXPECT_EQ(json.at("records"), 20);
  // <s>say 3: three</s>: 1 + 6 + 1 + 3 to 5 letters and the space + 1; zero, four: 13, one, two: 12,
  // three: 14.
  EXPECT_EQ(json.at("lengths").at("min"), 12);
  EXPECT_EQ(json.at("lengths").at("max"), 14);
  EXPECT_EQ(json.at("lengths").at("median"), 13);
  EXPECT_EQ(json.at("cut").at("records"), 4);
  EXPECT_EQ(json.at("cut").at("first").at(0), "pairs.jsonl:4");
  EXPECT_EQ(json.at("masked").at("records"), 0);
  EXPECT_EQ(json.at("tokens"), 4 * (13 + 12 + 12 + 14 + 13));
  Json::number_integer_t binned = 0;
  for (const Json& bin : json.at("histogram")) binned += bin.at("records").get<Json::number_integer_t>();
  EXPECT_EQ(binned, 20);
  ASSERT_EQ(json.at("shown").size(), 1U);
  EXPECT_EQ(json.at("shown").at(0).at("tokens").at(0), "<s>");
  EXPECT_EQ(json.at("shown").at(0).at("learnt").at(0), false);
  EXPECT_EQ(json.at("shown").at(0).at("learnt").back(), true);
}

TEST_F(Data, TellsWhatSharingPromptsSpares) {
  // Four records of each of five prompts of 7 tokens.
  EXPECT_EQ(report(data("pairs.jsonl") + Arguments{"--json"}).at("repeated"), 5 * (3 * 7 + 1));
  EXPECT_NE(run_lorry(data("pairs.jsonl")).out.find("110 tokens (43.0 %) are repeated prompts"),
            std::string::npos);
  EXPECT_EQ(run_lorry(data("chats.jsonl") + Arguments{"--chat-template", "vicuna"}).out.find("prompts  "),
            std::string::npos);
  const Arguments pairs = Arguments{"--data", path("pairs.jsonl")};
  EXPECT_NE(run_lorry(train("apart") + pairs).err.find("--share-prompts spares"), std::string::npos);
  const Outcome shared = run_lorry(train("shared") + pairs + Arguments{"--share-prompts"});
  ASSERT_EQ(shared.code, 0) << shared.err;
  EXPECT_NE(shared.err.find("tokens with shared prompts"), std::string::npos) << shared.err;
  EXPECT_EQ(shared.err.find("--share-prompts spares"), std::string::npos) << shared.err;
}

TEST_F(Data, TerminalsAreSafeFromWhatTextsHold) {
  io::put(path("evil.jsonl"), "{\"text\":\"a\\u001b[2Jb\\u0007\"}\n");
  const Outcome outcome = run_lorry(data("evil.jsonl"));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out.find('\033'), std::string::npos);
  EXPECT_EQ(outcome.out.find('\a'), std::string::npos);
  EXPECT_NE(outcome.out.find("\\x1b"), std::string::npos);
}

TEST_F(Data, ReadOtherKeysAndSplits) {
  std::filesystem::create_directory(path("split"));
  io::put(path("split") + "/test.jsonl", "{\"q\":\"a\",\"a\":\"b\"}\n");
  const Json json = report(
      data("split") + Arguments{"--split", "test", "--prompt-key", "q", "--completion-key", "a", "--json"});
  EXPECT_EQ(json.at("format"), "prompt and completion");
  EXPECT_EQ(json.at("targets"), 2);
  EXPECT_EQ(report(data("split") + Arguments{"--split", "test", "--prompt-key", "q", "--completion-key", "a",
                                             "--json", "--train-on-prompt"})
                .at("targets"),
            3);
  EXPECT_NE(error_of(data("split")).find("train.jsonl: no such file"), std::string::npos);
  EXPECT_NE(error_of(data("split/test.jsonl") + Arguments{"--split", "test"}, 2)
                .find("[data] --split: has no effect on " + path("split") + "/test.jsonl; expected a folder"),
            std::string::npos);
}

TEST_F(Data, KeysThatNoRecordHasAreToldOf) {
  const auto notes = [](const Arguments& more) { return run_lorry(data("pairs.jsonl") + more).err; };
  EXPECT_EQ(notes({"--messages-key", "turns", "--text-key", "story"}),
            "note: --text-key has no effect: no record is of that kind\n"
            "note: --messages-key has no effect: no record is of that kind\n");
  EXPECT_EQ(notes({"--messages-key", "messages"}), "");
}

TEST_F(Data, OfConversationsNeedATemplateThatIsKnown) {
  const std::string names = text::chat_template_names();
  EXPECT_EQ(error_of(data("chats.jsonl")),
            "error: [data] records of messages need a chat template, and " + path("model") +
                " has none; expected --chat-template NAME, one of " + names + "\n");
  EXPECT_EQ(error_of(data("chats.jsonl") + Arguments{"--chat-template", "chatlm"}, 2),
            "error: --chat-template: found \"chatlm\"; expected one of " + names + " (lorry data --help)\n");
  std::filesystem::copy(path("model"), path("odd"), std::filesystem::copy_options::recursive);
  io::put(path("odd") + "/chat_template.jinja", "{{ messages }}<|im_start|><|im_end|>");
  EXPECT_EQ(error_of({"data", "--model", path("odd"), "--data", path("chats.jsonl")}),
            "error: [data] records of messages need a chat template, and that of " + path("odd") +
                " is not known (it has the marks of chatml); expected --chat-template NAME, one of " + names +
                "\n");
  io::put(path("odd") + "/chat_template.jinja", std::string(text::find_chat_template("zephyr")->jinja));
  EXPECT_EQ(report({"data", "--model", path("odd"), "--data", path("chats.jsonl"), "--json"}).at("format"),
            "messages (template zephyr)");
}

TEST_F(Data, AlpacaHasItsOwnTemplateWhereTheModelHasNone) {
  io::put(path("alpaca.jsonl"), "{\"instruction\":\"Say a.\",\"input\":\"x\",\"output\":\"a\"}\n");
  const Json json = report(data("alpaca.jsonl") + Arguments{"--json", "--max-seq-length", "128"});
  EXPECT_EQ(json.at("format"), "alpaca (template alpaca)");
  EXPECT_EQ(json.at("targets"), 2);  // a</s>
}

TEST_F(Data, MistakesNameFileAndLine) {
  io::put(path("mixed.jsonl"), "{\"text\":\"a\"}\n\n{\"instruction\":\"a\",\"output\":\"b\"}\n");
  EXPECT_EQ(error_of(data("mixed.jsonl")),
            "error: [data] " + path("mixed.jsonl") +
                ":3: found a record of alpaca; expected text, as the file's first "
                "record\n");
  EXPECT_EQ(error_of(data("chats.jsonl") + Arguments{"--chat-template", "gemma", "--messages-key", "x"}),
            "error: [data] " + path("chats.jsonl") +
                ":1: found \"messages\"; expected \"text\", \"prompt\" and \"completion\", \"x\", "
                "\"conversations\", "
                "or \"instruction\" and \"output\"\n");
  EXPECT_EQ(error_of({"data", "--model", path("model"), "--data", path("pairs.jsonl") + ":0"}, 2),
            "error: --data: found \"" + path("pairs.jsonl") +
                ":0\"; expected paths, each with an optional weight above 0 and at most 1000 (a.jsonl:2) "
                "(lorry data --help)\n");
}

TEST_F(Data, TrainingRefusesToStartWhereEveryLabelIsMasked) {
  io::put(path("asked.jsonl"), "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}\n");
  const std::string error =
      error_of(train("masked") + Arguments{"--data", path("asked.jsonl"), "--chat-template", "chatml"});
  EXPECT_NE(error.find("none of 1 records has a token to learn"), std::string::npos) << error;
  EXPECT_FALSE(std::filesystem::exists(path("masked") + "/adapter_model.safetensors"));
}

TEST_F(Data, TrainingTakesSeveralFilesWithWeightsAndRepeatsFromItsConfig) {
  const Arguments files = {"--data", path("pairs.jsonl") + ":2", path("pairs.jsonl") + ":0.5"};
  const Json first = report(train("weighted") + files);
  EXPECT_NE(io::get(path("weighted") + "/train.yaml").find("pairs.jsonl:2,"), std::string::npos);
  const Json again =
      report({"train", "--config", path("weighted") + "/train.yaml", "--out", path("again"), "--json"});
  EXPECT_EQ(again.at("loss"), first.at("loss"));
  EXPECT_EQ(io::get(path("weighted") + "/adapter_model.safetensors"),
            io::get(path("again") + "/adapter_model.safetensors"));
}

TEST_F(Data, IndexedDataTrainToTheSameBytes) {
  const Arguments pairs = {"--data", path("pairs.jsonl")};
  static_cast<void>(report(train("kept") + pairs));
  static_cast<void>(report(train("indexed") + pairs + Arguments{"--data-memory", "0"}));
  EXPECT_EQ(io::get(path("kept") + "/adapter_model.safetensors"),
            io::get(path("indexed") + "/adapter_model.safetensors"));
}

TEST_F(Data, TheTemplateThatWasLearntStaysBesideTheAdapter) {
  io::put(path("one.jsonl"), kChats.substr(0, kChats.find('\n') + 1));
  static_cast<void>(report(train("spoken") + Arguments{"--data", path("one.jsonl"), "--chat-template",
                                                       "zephyr", "--save-steps", "1"}));
  for (const char* folder : {"spoken", "spoken/checkpoint-1"}) {
    EXPECT_EQ(io::get(path(folder) + "/chat_template.jinja"), text::find_chat_template("zephyr")->jinja);
  }
  // What reads the adapter needs no flag.
  EXPECT_EQ(report(data("one.jsonl") + Arguments{"--adapter", path("spoken"), "--json"}).at("format"),
            "messages (template zephyr)");
  // Nor the model's folder, which the adapter names.
  EXPECT_EQ(report({"data", "--adapter", path("spoken"), "--data", path("one.jsonl"), "--json"}).at("format"),
            "messages (template zephyr)");
  const std::string command = std::string(LORRY_BUILD_DIR "/lorry chat --threads 1 --adapter ") +
                              path("spoken") + " </dev/null >" + path("out") + " 2>" + path("err");
  EXPECT_EQ(std::system(command.c_str()), 0) << io::get(path("err"));
  const Json eval = report({"eval", "--model", path("model"), "--adapter", path("spoken"), "--data",
                            path("one.jsonl"), "--dtype", "f32", "--threads", "1", "--json"});
  EXPECT_EQ(eval.at("tokens"), 2 + 1 + 3 + 1);  // Yo</s>So.</s>
  // Training that goes on from it writes conversations as it did.
  static_cast<void>(
      report(train("further") + Arguments{"--data", path("one.jsonl"), "--adapter", path("spoken")}));
  EXPECT_EQ(io::get(path("further") + "/chat_template.jinja"), text::find_chat_template("zephyr")->jinja);
  // And so does what is made of it.
  ASSERT_EQ(run_lorry({"merge", "--adapter", path("spoken"), "--out", path("merged")}).code, 0);
  ASSERT_EQ(run_lorry({"analyze", "compress", path("spoken"), "--rank", "1", "--out", path("smaller")}).code,
            0);
  for (const char* folder : {"merged", "smaller"}) {
    EXPECT_EQ(io::get(path(folder) + "/chat_template.jinja"), text::find_chat_template("zephyr")->jinja);
  }
  static_cast<void>(report(train("plain") + Arguments{"--data", path("pairs.jsonl")}));
  EXPECT_FALSE(std::filesystem::exists(path("plain") + "/chat_template.jinja"));
}

}  // namespace
}  // namespace lorry::cli
