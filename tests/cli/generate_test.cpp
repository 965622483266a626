// `lorry generate`: stop texts, files of prompts in batches, beam search; what it notes and refuses.
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cli/program.hpp"
#include "io/io_support.hpp"

namespace lorry::cli {
namespace {

using Json = nlohmann::json;
using Arguments = std::vector<std::string>;

/// A model of random weights, and an adapter that has learnt "say 3:" -> " three".
class Generate : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch_ = std::make_unique<io::ScratchFolder>();
    make_tiny_model(path("parts"), path("model"));
    io::put(path("data.jsonl"), counting_records(40));
    const Outcome outcome = run_lorry({"train", "--model", path("model"), "--data", path("data.jsonl"),
                                       "--out", path("adapter"), "--steps", "60", "--lr", "0.02", "--dtype",
                                       "f32", "--threads", "1", "--seed", "7", "--max-seq-length", "64"});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    io::put(path("few.jsonl"), counting_records(7));
    io::put(path("few.txt"), "say 1:\r\n\nsay 2:\n");
  }
  static void TearDownTestSuite() { scratch_.reset(); }

  static std::string path(std::string_view name) { return *scratch_ / name; }
  static Outcome generate(const Arguments& more) {
    Arguments arguments = {"generate",  "--model", path("model"), "--adapter", path("adapter"),
                           "--threads", "1",       "--dtype",     "f32"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_lorry(arguments);
  }
  /// What it prints for --prompt "say 3:".
  static std::string answer(const Arguments& more) {
    Arguments arguments = {"--prompt", "say 3:"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Outcome outcome = generate(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.out;
  }
  static void expect_error(const Arguments& more, const std::string& words, int code = 1) {
    const Outcome outcome = generate(more);
    EXPECT_EQ(outcome.code, code) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_NE(outcome.err.find(words), std::string::npos) << outcome.err;
    EXPECT_EQ(outcome.err.find('\n'), outcome.err.size() - 1) << outcome.err;
  }

  /// What it says on standard error but for progress, which a slow machine gets lines of.
  static std::string said(const Outcome& outcome) {
    std::istringstream lines(outcome.err);
    std::string all;
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with("prompt ")) all += line + "\n";
    }
    return all;
  }

  static std::unique_ptr<io::ScratchFolder> scratch_;
};

std::unique_ptr<io::ScratchFolder> Generate::scratch_;

TEST_F(Generate, EndsBeforeAStopText) {
  EXPECT_EQ(answer({}), " three\n");
  EXPECT_EQ(answer({"--stop", "re"}), " th\n");
  EXPECT_EQ(answer({"--stop", "x", "--stop", "ee", "--stop", "[th,ee]"}), " thr\n");
  EXPECT_EQ(answer({"--stop", "eee"}), " three\n");
  io::put(path("stop.yaml"), "stop: [\"ee\", \"h\"]\n");
  EXPECT_EQ(answer({"--config", path("stop.yaml")}), " t\n");
  EXPECT_EQ(answer({"--config", path("stop.yaml"), "--stop", "ee"}), " thr\n");
  const Json json = Json::parse(answer({"--stop", "re", "--json"}));
  EXPECT_EQ(json.at("text"), " th");
  EXPECT_EQ(json.at("stopped"), true);
  EXPECT_EQ(json.at("new_tokens"), 5) << "a byte each";
}

TEST_F(Generate, AFileOfPromptsInBatchesOfAnySize) {
  for (const char* batch : {"1", "2", "8"}) {
    const Outcome outcome = generate({"--data", path("few.jsonl"), "--batch-size", batch});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.out, counting_records(7)) << "batch of " << batch;
  }
  const Outcome plain = generate({"--data", path("few.txt")});
  EXPECT_EQ(
      plain.out,
      "{\"prompt\":\"say 1:\",\"completion\":\" one\"}\n{\"prompt\":\"say 2:\",\"completion\":\" two\"}\n");
  const Outcome stopped = generate({"--data", path("few.txt"), "--stop", "o"});
  EXPECT_EQ(stopped.out,
            "{\"prompt\":\"say 1:\",\"completion\":\" \"}\n{\"prompt\":\"say 2:\",\"completion\":\" tw\"}\n");
}

TEST_F(Generate, TextIOfAFileDrawsWithSeedPlusI) {
  const Arguments sampling = {"--temperature", "2", "--max-new-tokens", "12", "--seed"};
  const auto sample = [&](Arguments arguments, const char* seed) {
    arguments.insert(arguments.end(), sampling.begin(), sampling.end());
    arguments.emplace_back(seed);
    return generate(arguments).out;
  };
  const std::string both = sample({"--data", path("few.txt")}, "41");
  const Json second = Json::parse(both.substr(both.find('\n') + 1));
  EXPECT_EQ(second.at("completion").get<std::string>() + "\n", sample({"--prompt", "say 2:"}, "42"));
}

TEST_F(Generate, BeamSearchFindsTheSameAnswers) {
  EXPECT_EQ(answer({"--num-beams", "4"}), " three\n");
  const Outcome outcome = generate({"--data", path("few.jsonl"), "--num-beams", "10", "--length-penalty",
                                    "0.9", "--no-repeat-ngram-size", "4"});
  EXPECT_EQ(outcome.out, counting_records(7));
  EXPECT_EQ(said(outcome), "");
  const Json json = Json::parse(answer({"--num-beams", "4", "--length-penalty", "0", "--json"}));
  EXPECT_EQ(json.at("text"), " three");
  EXPECT_LT(json.at("score"), 0);
  EXPECT_GT(json.at("score"), -1) << "learnt nearly by heart";
  // A length that pays for any loss of probability makes the text as long as it may become.
  const Json longest = Json::parse(answer({"--num-beams", "4", "--length-penalty", "20", "--early-stopping",
                                           "never", "--max-new-tokens", "9", "--json"}));
  const int end = longest.at("stopped") ? 1 : 0;  // the token that ends a text counts as one of it
  EXPECT_EQ(longest.at("new_tokens").get<int>() + end, 9);
}

TEST_F(Generate, NotesWhatHasNoEffect) {
  const auto notes = [](const Arguments& arguments) { return said(generate(arguments)); };
  EXPECT_EQ(notes({"--prompt", "say 1:", "--min-p", "0.1"}),
            "note: --min-p has no effect while --temperature is 0\n");
  EXPECT_EQ(notes({"--prompt", "say 1:", "--length-penalty", "2"}),
            "note: --length-penalty has no effect while --num-beams is 1\n");
  EXPECT_EQ(notes({"--prompt", "say 1:", "--early-stopping", "true"}),
            "note: --early-stopping has no effect while --num-beams is 1\n");
  EXPECT_EQ(notes({"--prompt", "say 1:", "--batch-size", "2"}),
            "note: --batch-size has no effect without --data\n");
  EXPECT_EQ(notes({"--data", path("few.txt"), "--batch-size", "2", "--num-beams", "2"}),
            "note: --batch-size has no effect with --num-beams: the beams of one prompt are a batch\n");
  EXPECT_EQ(notes({"--data", path("few.txt"), "--batch-size", "2"}), "");
}

TEST_F(Generate, RefusesWhatItCannotDo) {
  expect_error({"--prompt", "x", "--stop", ""}, "--stop: found an empty text", 2);
  expect_error({"--prompt", "x", "--stop", "a", "--num-beams", "2"}, "--stop: found with --num-beams 2", 2);
  expect_error({"--prompt", "x", "--num-beams", "2", "--temperature", "1"},
               "--num-beams, --temperature: found 2 and 1", 2);
  expect_error({"--prompt", "x", "--num-beams", "200"}, "--num-beams: found 200; expected at most");
  expect_error({"--prompt", "x", "--num-beams", "0"}, "--num-beams: found \"0\"", 2);
  expect_error({"--prompt", "x", "--min-p", "1.5"}, "--min-p: found \"1.5\"", 2);
  expect_error({"--prompt", "x", "--repetition-penalty", "0"}, "--repetition-penalty: found \"0\"", 2);
  expect_error({"--prompt", "x", "--early-stopping", "maybe"},
               "--early-stopping: found \"maybe\"; expected one of false, true, never", 2);
  expect_error({"--prompt", "x", "--length-penalty", "inf"}, "--length-penalty: found \"inf\"", 2);
  io::put(path("wrong.jsonl"), "{\"text\": \"a\"}\n");
  expect_error({"--data", path("wrong.jsonl")}, "wrong.jsonl:1: key \"prompt\": missing");
}

}  // namespace
}  // namespace lorry::cli
