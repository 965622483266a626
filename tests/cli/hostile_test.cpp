// Input made to break the program rather than by mistake: one clear line and nothing half-written all the
// same.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "cli/tiny_model_test.hpp"

namespace lorry::cli {
namespace {

class Hostile : public TinyModelTest {
 protected:
  void TearDown() override { std::filesystem::remove_all(path("out")); }

  static Outcome train(const std::string& model, const std::string& out, const Arguments& more = {}) {
    return run({"train", "--model", model, "--data", path("data.jsonl"), "--out", path(out), "--steps", "1",
                "--dtype", "f32", "--threads", "1"},
               more);
  }
  static Outcome evaluate(const std::string& model, const Arguments& more = {}) {
    return run({"eval", "--model", model, "--data", path("data.jsonl"), "--threads", "1"}, more);
  }
  /// The last line on standard error is the error and holds `words`.
  static void expect_error(const Outcome& outcome, const std::string& words, int code = 1) {
    EXPECT_EQ(outcome.code, code) << outcome.err;
    const std::size_t error = outcome.err.find("error: ");
    ASSERT_NE(error, std::string::npos) << outcome.err;
    EXPECT_EQ(outcome.err.find('\n', error), outcome.err.size() - 1) << outcome.err;
    EXPECT_NE(outcome.err.find(words, error), std::string::npos) << outcome.err << "  lacks: " << words;
  }
  /// The last tensor of a safetensors file, overwritten by NaN.
  static void spoil_weights(const std::filesystem::path& file) {
    std::string bytes = io::get(file);
    constexpr std::size_t kSpoilt = 16;
    ASSERT_GT(bytes.size(), kSpoilt);
    bytes.replace(bytes.size() - kSpoilt, kSpoilt, std::string(kSpoilt, '\xff'));
    io::put(file, bytes);
  }
};

TEST_F(Hostile, TemplateTokenBeyondTheVocabulary) {
  const auto model = copy_model("template");
  std::string tokenizer = io::get(model / "tokenizer.json");
  const std::string before = R"("ids":[0])";
  ASSERT_NE(tokenizer.find(before), std::string::npos);
  tokenizer.replace(tokenizer.find(before), before.size(), R"("ids":[258])");
  io::put(model / "tokenizer.json", tokenizer);
  expect_error(evaluate(model),
               "post_processor.special_tokens.<s>.ids[0]: found 258; expected an integer from 0 to 257");
}

TEST_F(Hostile, TokenizerThatIsAPipeOrAFolder) {
  for (const bool pipe : {false, true}) {
    const auto model = copy_model(pipe ? "pipe" : "folder");
    std::filesystem::remove(model / "tokenizer.json");
    if (pipe) {
      ASSERT_EQ(::mkfifo((model / "tokenizer.json").c_str(), 0600), 0);
    } else {
      std::filesystem::create_directory(model / "tokenizer.json");
    }
    expect_error(evaluate(model), "tokenizer.json: found a ");
  }
}

TEST_F(Hostile, LinksThatLeadInACircle) {
  std::filesystem::create_symlink("second", path("first"));
  std::filesystem::create_symlink("first", path("second"));
  expect_error(run_lorry({"analyze", "spectrum", path("first")}),
               path("first") +
                   "/adapter_config.json: Too many levels of symbolic links; expected a place that "
                   "can be read");
}

TEST_F(Hostile, MoreTextThanLearnedPositions) {
  io::put(path("gpt2.json"), R"({"model_type": "gpt2", "vocab_size": 258, "n_embd": 16, "n_layer": 1,
                                 "n_head": 2, "n_positions": 8})");
  ASSERT_EQ(run_lorry({"init", "--config", path("gpt2.json"), "--tokenizer",
                       path("parts") + "/tokenizer.json", "--out", path("gpt2")})
                .code,
            0);
  const auto generate = [](const std::string& count) {
    return run_lorry({"generate", "--model", path("gpt2"), "--prompt", "abc", "--max-new-tokens", count,
                      "--temperature", "1", "--threads", "1"});
  };
  EXPECT_EQ(generate("5").code, 0);
  expect_error(generate("6"),
               "--prompt, --max-new-tokens: found 4 and 6 tokens; expected at most 9 together");
}

TEST_F(Hostile, DropoutThatRoundsToOne) {
  expect_error(train(path("model"), "out", {"--dropout", "0.999999999"}), "dropout: found 0.999999999", 2);
  EXPECT_FALSE(std::filesystem::exists(path("out")));
}

TEST_F(Hostile, WeightsThatAreNoNumbers) {
  const auto model = copy_model("nan");
  spoil_weights(model / "model.safetensors");
  expect_error(evaluate(model, {"--json"}), "nan; expected a finite number");
  expect_error(train(model, "out"), "expected finite numbers");
  EXPECT_FALSE(std::filesystem::exists(path("out") + "/adapter_model.safetensors"));
}

TEST_F(Hostile, AdapterThatHoldsNoNumbers) {
  ASSERT_EQ(train(path("model"), "adapter").code, 0);
  spoil_weights(path("adapter") + "/adapter_model.safetensors");
  const std::string words = "found NaN or infinity; expected finite numbers";
  expect_error(evaluate(path("model"), {"--adapter", path("adapter")}), words);
  expect_error(
      run_lorry({"merge", "--model", path("model"), "--adapter", path("adapter"), "--out", path("out")}),
      words);
  EXPECT_FALSE(std::filesystem::exists(path("out")));
}

TEST_F(Hostile, LastStepThatDiverges) {
  expect_error(train(path("model"), "out", {"--lr", "1e300"}), "found NaN or infinity after the last step");
  EXPECT_FALSE(std::filesystem::exists(path("out") + "/adapter_model.safetensors"));
}

TEST_F(Hostile, FileSizeLimit) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
  const rlimit small = {.rlim_cur = 16'384, .rlim_max = limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const Outcome outcome =
      run_lorry({"init", "--config", path("parts") + "/config.json", "--out", path("out")});
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  expect_error(outcome, "File too large");
  for (const std::string& name : names()) EXPECT_EQ(name.find(".tmp-"), std::string::npos) << name;
  EXPECT_FALSE(std::filesystem::exists(path("out")));
}

TEST_F(Hostile, AnotherRunInTheSameFolder) {
  std::filesystem::create_directory(path("out"));
  const int folder = ::open(path("out").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_EQ(::flock(folder, LOCK_EX | LOCK_NB), 0);
  expect_error(train(path("model"), "out"), "another run is writing there");
  EXPECT_TRUE(std::filesystem::is_directory(path("out"))) << "taken from under the other run";
  ::close(folder);
  EXPECT_EQ(train(path("model"), "out").code, 0);
}

TEST_F(Hostile, ClosedStandardErrorLeavesNoMessageInAFile) {
  const std::string command = std::string(LORRY_BUILD_DIR "/lorry train --model ") + path("model") +
                              " --data " + path("data.jsonl") + " --out " + path("out") +
                              " --steps 1 --threads 1 > /dev/null 2>&-";
  EXPECT_EQ(std::system(command.c_str()), 0);
  EXPECT_TRUE(io::get(path("out") + "/log.jsonl").starts_with(R"({"step":1,)"));
}

TEST_F(Hostile, ControlBytesAndFloodsStayOutOfMessages) {
  const Outcome outcome = run_lorry({"train", "--\x1b[31m\n" + std::string(100'000, 'x')});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_LT(outcome.err.size(), 2'200U);
  EXPECT_EQ(outcome.err.find('\x1b'), std::string::npos);
  EXPECT_EQ(outcome.err.find('\n'), outcome.err.size() - 1);
  EXPECT_NE(outcome.err.find("expected one of"), std::string::npos) << "the end was cut";
}

}  // namespace
}  // namespace lorry::cli
