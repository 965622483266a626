// lorry chat from a pipe: turns, history, /reset and /exit, and the ids that training has.
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/program.hpp"
#include "io/io_support.hpp"

namespace lorry::cli {
namespace {

using Json = nlohmann::json;

class Chat : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch_ = std::make_unique<io::ScratchFolder>();
    make_tiny_model(path("parts"), path("model"));
  }
  static void TearDownTestSuite() { scratch_.reset(); }
  static std::string path(std::string_view name) { return *scratch_ / name; }

  /// The JSON lines that `lorry chat --json` writes for this input.
  static std::vector<Json> chat(const std::string& input, const std::string& flags) {
    io::put(path("in"), input);
    const std::string command =
        std::string(LORRY_BUILD_DIR "/lorry chat --json --threads 1 --dtype f32 --model ") + path("model") +
        " " + flags + " <" + path("in") + " >" + path("out") + " 2>" + path("err");
    EXPECT_EQ(std::system(command.c_str()), 0) << io::get(path("err"));
    std::vector<Json> turns;
    std::string text = io::get(path("out"));
    for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n')) {
      turns.push_back(Json::parse(text.substr(0, end)));
      text.erase(0, end + 1);
    }
    return turns;
  }

  static std::unique_ptr<io::ScratchFolder> scratch_;
};

std::unique_ptr<io::ScratchFolder> Chat::scratch_;

TEST_F(Chat, HasTheIdsThatTrainingHasForTheSameConversation) {
  const auto turns = chat("Hi\nWhy?\n", "--chat-template zephyr --max-new-tokens 4 --system S");
  ASSERT_EQ(turns.size(), 2U);
  const Json messages = {{{"role", "system"}, {"content", "S"}},
                         {{"role", "user"}, {"content", "Hi"}},
                         {{"role", "assistant"}, {"content", turns[0].at("assistant")}},
                         {{"role", "user"}, {"content", "Why?"}},
                         {{"role", "assistant"}, {"content", "end"}}};
  io::put(path("same.jsonl"), Json{{"messages", messages}}.dump() + "\n");
  const Outcome outcome = run_lorry({"data", "--model", path("model"), "--data", path("same.jsonl"),
                                     "--chat-template", "zephyr", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json ids = Json::parse(outcome.out).at("shown").at(0).at("ids");
  const Json prompt = turns[1].at("prompt_ids");
  ASSERT_GT(ids.size(), prompt.size());
  EXPECT_EQ(Json(std::vector<Json>(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(prompt.size()))),
            prompt);
}

TEST_F(Chat, ResetForgetsAndExitLeaves) {
  const auto turns = chat("Hi\n/reset\n\nHi\n/exit\nnever\n", "--chat-template zephyr --max-new-tokens 3");
  ASSERT_EQ(turns.size(), 2U);
  EXPECT_EQ(turns[0].at("prompt_ids"), turns[1].at("prompt_ids"));
  EXPECT_EQ(turns[0].at("ids"), turns[1].at("ids"));
}

TEST_F(Chat, NeedsATemplate) {
  const Outcome outcome = run_lorry({"chat", "--model", path("model")});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_NE(outcome.err.find("expected --chat-template NAME"), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace lorry::cli
