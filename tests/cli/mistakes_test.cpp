// Every mistake a user can make ends with one clear line, exit code 1 (2 for the options themselves) and
// nothing half-written.
#include <gtest/gtest.h>

#include "cli/tiny_model_test.hpp"

namespace lorry::cli {
namespace {

class Mistakes : public TinyModelTest {
 protected:
  static Outcome train(const std::string& model, const std::string& data, const Arguments& more = {}) {
    return run({"train", "--model", model, "--data", data, "--out", path("out"), "--steps", "1", "--dtype",
                "f32", "--threads", "1"},
               more);
  }
  /// One line on standard error that holds `words`, exit code 1, and no output folder with a result.
  static void expect_error(const Outcome& outcome, const std::string& words, int code = 1) {
    EXPECT_EQ(outcome.code, code) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(outcome.err.substr(0, 7), "error: ") << outcome.err;
    EXPECT_EQ(outcome.err.find('\n'), outcome.err.size() - 1) << outcome.err;
    EXPECT_NE(outcome.err.find(words), std::string::npos) << outcome.err << "  lacks: " << words;
    EXPECT_FALSE(std::filesystem::exists(path("out"))) << "half-written";
  }

  /// The same where the command line or a config's option is to blame: exit code 2.
  static void expect_usage(const Outcome& outcome, const std::string& words) {
    expect_error(outcome, words, 2);
  }
};

TEST_F(Mistakes, MissingModel) {
  expect_error(train(path("nowhere"), path("data.jsonl")),
               "not a folder; expected a Hugging Face model folder");
}

TEST_F(Mistakes, EvaluationWithoutHeldOutData) {
  expect_usage(train(path("model"), path("data.jsonl"), {"--eval-steps", "1"}),
               "--eval-steps: found 1 without held-out data; expected --eval-data");
}

TEST_F(Mistakes, ThreadsOutOfRangeInEveryCommandThatHasThem) {
  const std::vector<Arguments> commands = {
      {"train", "--model", path("model"), "--data", path("data.jsonl"), "--out", path("out")},
      {"sweep", "--model", path("model"), "--data", path("data.jsonl"), "--out", path("out")},
      {"eval", "--model", path("model"), "--data", path("data.jsonl")},
      {"generate", "--model", path("model"), "--prompt", "x"},
      {"merge", "--model", path("model"), "--adapter", path("model"), "--out", path("out")},
      {"analyze", "spectrum", path("model")},
      {"analyze", "similarity", path("model"), path("model")},
      {"analyze", "amplification", path("model"), "--model", path("model")},
      {"analyze", "compress", path("model"), "--rank", "1", "--out", path("out")}};
  for (const Arguments& command : commands) {
    for (const std::string threads : {"0", "-1", "1025", "99999999999999999999", "two"}) {
      Arguments arguments = command;
      arguments.insert(arguments.end(), {"--threads", threads});
      expect_usage(run_lorry(arguments),
                   "--threads: found \"" + threads + "\"; expected an integer from 1 to 1024");
    }
  }
  io::put(path("threads.yaml"), "threads: 5000\n");
  Arguments from_file = commands.front();
  from_file.insert(from_file.end(), {"--config", path("threads.yaml")});
  expect_usage(run_lorry(from_file),
               "threads.yaml:1: threads: found \"5000\"; expected an integer from 1 to 1024");
}

TEST_F(Mistakes, AdapterWhoseScaleFloat32DoesNotHold) {
  const Outcome trained = run_lorry({"train", "--model", path("model"), "--data", path("data.jsonl"), "--out",
                                     path("scaled"), "--steps", "1", "--threads", "1"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  const std::string file = path("scaled") + "/adapter_config.json";
  std::string config = io::get(file);
  const std::string before = "\"lora_alpha\": 16";
  ASSERT_NE(config.find(before), std::string::npos) << config;
  config.replace(config.find(before), before.size(), "\"lora_alpha\": 1e308");
  io::put(file, config);
  const std::string words =
      "adapter_config.json: lora_alpha: found 1e+308; expected a number other than 0, from 1e-30 to 1e30 in "
      "size";
  const std::vector<Arguments> commands = {
      {"eval", "--model", path("model"), "--adapter", path("scaled"), "--data", path("data.jsonl")},
      {"generate", "--model", path("model"), "--adapter", path("scaled"), "--prompt", "x"},
      {"merge", "--model", path("model"), "--adapter", path("scaled"), "--out", path("out")},
      {"inspect", path("scaled")},
      {"train", "--model", path("model"), "--data", path("data.jsonl"), "--out", path("out"), "--adapter",
       path("scaled")},
      {"analyze", "spectrum", path("scaled")},
      {"analyze", "similarity", path("scaled"), path("scaled")},
      {"analyze", "amplification", path("scaled"), "--model", path("model")},
      {"analyze", "compress", path("scaled"), "--rank", "1", "--out", path("out")}};
  for (const Arguments& command : commands) expect_error(run_lorry(command), words);
}

TEST_F(Mistakes, ScaleThatFloat32DoesNotHold) {
  for (const std::string alpha : {"1e308", "1e300", "1e39", "1e-40"}) {
    const std::string words =
        "alpha: found \"" + alpha + "\"; expected a number of at least 1e-29 and at most 1e+29";
    expect_usage(train(path("model"), path("data.jsonl"), {"--alpha", alpha}), "--" + words);
    io::put(path("alpha.yaml"), "lr: 1e-3\nalpha: " + alpha + "\n");
    expect_usage(train(path("model"), path("data.jsonl"), {"--config", path("alpha.yaml")}),
                 "alpha.yaml:2: " + words);
  }
}

TEST_F(Mistakes, XrayOfAFullTraining) {
  expect_usage(train(path("model"), path("data.jsonl"), {"--xray-steps", "1", "--method", "full"}),
               "--xray-steps: has no effect with --method full");
}

TEST_F(Mistakes, MissingWeights) {
  const auto model = copy_model("no-weights");
  std::filesystem::remove(model / "model.safetensors");
  expect_error(train(model, path("data.jsonl")), "found no weights; expected weights in safetensors form");
}

TEST_F(Mistakes, TruncatedWeights) {
  const auto model = copy_model("truncated");
  std::filesystem::resize_file(model / "model.safetensors", 50'000);
  expect_error(train(model, path("data.jsonl")), "bytes of data; perhaps an incomplete download");
}

TEST_F(Mistakes, HeaderLengthThatLies) {
  const auto model = copy_model("header-length");
  std::string bytes = io::get(model / "model.safetensors");
  bytes.replace(0, 8, "\xff\xff\xff\xff\xff\xff\xff\x7f");
  io::put(model / "model.safetensors", bytes);
  expect_error(train(model, path("data.jsonl")),
               "header length: found 9223372036854775807; expected at most");
}

TEST_F(Mistakes, OffsetsThatOverlap) {
  const auto model = copy_model("offsets");
  io::put(model / "model.safetensors",
          io::safetensors_bytes(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                                R"("b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
                                12));
  expect_error(train(model, path("data.jsonl")), "overlap");
}

TEST_F(Mistakes, UnknownDtype) {
  const auto model = copy_model("dtype");
  io::put(model / "model.safetensors",
          io::safetensors_bytes(R"({"a":{"dtype":"F7","shape":[2],"data_offsets":[0,8]}})", 8));
  expect_error(train(model, path("data.jsonl")), "\"F7\"");
}

TEST_F(Mistakes, ShapesThatDisagreeWithTheConfig) {
  const auto model = copy_model("shapes");
  std::string config = io::get(model / "config.json");
  const std::string before = "\"intermediate_size\": 64";
  config.replace(config.find(before), before.size(), "\"intermediate_size\": 96");
  io::put(model / "config.json", config);
  expect_error(train(model, path("data.jsonl")),
               "mlp.gate_proj.weight\" is [64,32]; config.json says [96,32]");
}

TEST_F(Mistakes, UnknownFamily) {
  const auto model = copy_model("family");
  std::string config = io::get(model / "config.json");
  const std::string before = "\"model_type\": \"llama\"";
  config.replace(config.find(before), before.size(), "\"model_type\": \"mamba\"");
  io::put(model / "config.json", config);
  expect_error(train(model, path("data.jsonl")),
               R"(field "model_type": found "mamba"; supported: gpt2, llama, mistral, qwen2, qwen3)");
}

TEST_F(Mistakes, AbsentTokenizer) {
  const auto model = copy_model("no-tokenizer");
  std::filesystem::remove(model / "tokenizer.json");
  expect_error(train(model, path("data.jsonl")),
               "tokenizer.json: no such file; expected a Hugging Face tokenizer.json");
}

TEST_F(Mistakes, MalformedRecord) {
  io::put(path("bad.jsonl"), "{\"text\": \"fine\"}\n{\"text\": \n");
  expect_error(train(path("model"), path("bad.jsonl")), "bad.jsonl:2: malformed JSON");
}

TEST_F(Mistakes, EmptyData) {
  io::put(path("empty.jsonl"), "\n");
  expect_error(train(path("model"), path("empty.jsonl")), "empty.jsonl: empty data");
}

TEST_F(Mistakes, MissingData) {
  expect_error(train(path("model"), path("no.jsonl")), "no.jsonl: no such file");
}

TEST_F(Mistakes, OptionsOutOfRange) {
  const auto with = [](const char* flag, const char* value) {
    return train(path("model"), path("data.jsonl"), {flag, value});
  };
  expect_usage(with("--rank", "0"), R"(--rank: found "0"; expected an integer of at least 1)");
  expect_usage(with("--rank", "-3"), R"(--rank: found "-3"; expected an integer of at least 1)");
  expect_usage(with("--lr", "-1"), R"(--lr: found "-1"; expected a number above 0)");
  expect_usage(with("--dropout", "1"),
               R"(--dropout: found "1"; expected a number of at least 0 and below 1)");
  expect_usage(with("--epochs", "2"), "--steps, --epochs: found both");
  expect_error(with("--target-modules", "nope_proj"), "nope_proj");
  expect_usage(with("--method", "qlora"), R"(--method: found "qlora"; expected one of lora, full)");
}

TEST_F(Mistakes, LoraOptionsThatWouldBeIgnored) {
  expect_usage(train(path("model"), path("data.jsonl"), {"--method", "full", "--rank", "4"}),
               "--rank: has no effect with --method full");
}

TEST_F(Mistakes, GenerationOptionThatWouldBeIgnored) {
  expect_usage(run_lorry({"generate", "--model", path("model"), "--data", path("data.jsonl"), "--json"}),
               "--json: has no effect with --data");
}

TEST_F(Mistakes, ConfigWithAnUnknownKey) {
  io::put(path("train.yaml"), "rank: 4\nlora_dropot: 0.1\n");
  expect_usage(train(path("model"), path("data.jsonl"), {"--config", path("train.yaml")}),
               R"(train.yaml:2: unknown key "lora_dropot"; did you mean "lora-dropout"?)");
}

TEST_F(Mistakes, AdapterForAnotherModel) {
  ASSERT_EQ(run_lorry({"train", "--model", path("model"), "--data", path("data.jsonl"), "--out",
                       path("adapter"), "--steps", "1", "--threads", "1"})
                .code,
            0);
  std::string config = io::get(path("parts") + "/config.json");
  const std::string before = "\"intermediate_size\": 64";
  config.replace(config.find(before), before.size(), "\"intermediate_size\": 96");
  io::put(path("other.json"), config);
  ASSERT_EQ(run_lorry({"init", "--config", path("other.json"), "--tokenizer",
                       path("parts") + "/tokenizer.json", "--out", path("other")})
                .code,
            0);
  for (const char* command : {"eval", "generate", "merge"}) {
    Arguments arguments = {command, "--model", path("other"), "--adapter", path("adapter")};
    if (command == std::string("eval")) arguments.insert(arguments.end(), {"--data", path("data.jsonl")});
    if (command == std::string("generate")) arguments.insert(arguments.end(), {"--prompt", "x"});
    if (command == std::string("merge")) arguments.insert(arguments.end(), {"--out", path("out")});
    expect_error(run_lorry(arguments), "adapter for another model?");
  }
}

TEST_F(Mistakes, UnwritableOutput) {
  // Root may write anywhere, so a file stands where the folder's parent should be.
  io::put(path("file"), "");
  const std::string out = path("file") + "/out";
  for (const Arguments& arguments :
       {Arguments{"train", "--model", path("model"), "--data", path("data.jsonl"), "--steps", "1",
                  "--threads", "1"},
        Arguments{"init", "--config", path("parts") + "/config.json"},
        Arguments{"merge", "--model", path("model"), "--adapter", path("any")}}) {
    Arguments all = arguments;
    all.insert(all.end(), {"--out", out});
    expect_error(run_lorry(all), out);
  }
}

TEST_F(Mistakes, OutputThatIsThereAlready) {
  std::filesystem::create_directory(path("taken"));
  io::put(path("taken") + "/adapter_model.safetensors", "precious");
  const Outcome outcome = run_lorry({"train", "--model", path("model"), "--data", path("data.jsonl"), "--out",
                                     path("taken"), "--steps", "1", "--threads", "1"});
  expect_error(outcome, "already holds adapter_model.safetensors");
  EXPECT_EQ(io::get(path("taken") + "/adapter_model.safetensors"), "precious");
  expect_error(run_lorry({"init", "--config", path("parts") + "/config.json", "--out", path("taken")}),
               path("taken"));
}

TEST_F(Mistakes, TokenizerLargerThanTheVocabulary) {
  std::string config = io::get(path("parts") + "/config.json");
  const std::string before = "\"vocab_size\": 260";
  config.replace(config.find(before), before.size(), "\"vocab_size\": 257");
  io::put(path("small.json"), config);
  expect_error(run_lorry({"init", "--config", path("small.json"), "--tokenizer",
                          path("parts") + "/tokenizer.json", "--out", path("out")}),
               "tokenizer.json: found 258 tokens; expected at most vocab_size, 257");
}

TEST_F(Mistakes, InitWithoutAModel) {
  expect_usage(run_lorry({"init", "--out", path("out")}), "--config, --shape: found neither");
  expect_usage(run_lorry({"init", "--shape", "llama-2b", "--out", path("out")}), "llama-1.1b");
}

TEST_F(Mistakes, CommandLine) {
  expect_usage(run_lorry({"trian"}), R"(unknown command "trian"; did you mean "train"?)");
  expect_usage(run_lorry({"finetune"}), R"(unknown command "finetune"; expected one of init, train)");
  expect_usage(run_lorry({"--rank", "4"}), "unknown flag --rank; expected a command first");
  expect_usage(run_lorry({"train", "--learn-rate", "1"}),
               R"(unknown flag --learn-rate; did you mean "learning-rate"?)");
  expect_usage(run_lorry({"train", "--rnak=4"}), R"(unknown flag --rnak=4; did you mean "rank"?)");
  expect_usage(run_lorry({"train", "--rank"}), "--rank: no value; expected one");
  expect_usage(run_lorry({"train", "--rank", "1", "--rank", "2"}),
               "--rank: found more than once; expected once");
  expect_usage(run_lorry({"analyze", "my-adapter"}),
               "unknown command \"my-adapter\" of lorry analyze; expected one of spectrum, similarity, "
               "amplification, compress, in its place or before it");
  expect_usage(run_lorry({"analyze", "spektrum", "x"}),
               "unknown command \"spektrum\" of lorry analyze; did you mean \"spectrum\"? (it has spectrum, "
               "similarity, amplification, compress)");
  expect_usage(run_lorry({"inspect"}), "PATH: found 0 paths; expected one");
  expect_usage(run_lorry({"train", "--model", "x"}), "--data: missing; expected --data PATH");
  expect_usage(run_lorry({"generate", "--model", "x"}), "--prompt, --data: found neither");
}

TEST_F(Mistakes, OptionsOfAFileAreUsageErrorsToo) {
  io::put(path("values.yaml"), "rank: 0\n");
  expect_usage(train(path("model"), path("data.jsonl"), {"--config", path("values.yaml")}),
               R"(values.yaml:1: rank: found "0"; expected an integer of at least 1)");
}

}  // namespace
}  // namespace lorry::cli
