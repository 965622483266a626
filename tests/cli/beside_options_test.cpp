// What trains beside A and B, from the command line and the YAML config to every command that reads adapters.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "cli/tiny_model_test.hpp"
#include "core/index.hpp"
#include "io/json_file.hpp"

namespace lorry::cli {
namespace {

class BesideOptions : public TinyModelTest {
 protected:
  static Outcome train(const std::string& out, const Arguments& more) {
    return run({"train", "--data", path("data.jsonl"), "--out", path(out), "--dtype", "f32", "--threads", "1",
                "--max-seq-length", "64", "--steps", "3", "--lr", "0.01"},
               more);
  }
  static std::string weights(const std::string& out) {
    return io::get(path(out) + "/adapter_model.safetensors");
  }
  static io::Json config(const std::string& out) {
    return io::read_json_file(path(out) + "/adapter_config.json");
  }
  static void expect_error(const Outcome& outcome, const std::string& words) {
    EXPECT_TRUE(outcome.code == 1 || outcome.code == 2) << outcome.code << outcome.err;
    EXPECT_NE(outcome.err.find(words), std::string::npos) << outcome.err << "  lacks: " << words;
  }
};

TEST_F(BesideOptions, TrainBesideTheUpdatesAndTheConfigRepeatsThem) {
  const Outcome first = train("first", {"--model", path("model"), "--target-modules", "q_proj",
                                        "--modules-to-save", "norm,lm_head", "--lora-bias"});
  ASSERT_EQ(first.code, 0) << first.err;
  EXPECT_EQ(config("first").at("modules_to_save"), (io::Json{"norm", "lm_head"}));
  EXPECT_EQ(config("first").at("lora_bias"), true);
  EXPECT_EQ(config("first").at("bias"), "none");
  const Outcome again = train("again", {"--config", path("first") + "/train.yaml"});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_TRUE(weights("again") == weights("first"));
  io::put(path("lists.yaml"),
          "model: " + path("model") +
              "\ntarget_modules: [q_proj]\nmodules_to_save: [norm, lm_head]\nlora_bias: true\n");
  ASSERT_EQ(train("lists", {"--config", path("lists.yaml")}).code, 0);
  EXPECT_TRUE(weights("lists") == weights("first"));
  // Trained on: the copies are those of the adapter.
  const Outcome more = train("more", {"--model", path("model"), "--adapter", path("first")});
  ASSERT_EQ(more.code, 0) << more.err;
  EXPECT_EQ(config("more").at("modules_to_save"), config("first").at("modules_to_save"));
  EXPECT_FALSE(weights("more") == weights("first"));

  for (const Arguments& command : {Arguments{"eval", "--data", path("data.jsonl")},
                                   Arguments{"generate", "--prompt", "one", "--max-new-tokens", "4"}}) {
    Arguments arguments = command;
    arguments.insert(arguments.end(), {"--model", path("model"), "--dtype", "f32", "--threads", "1"});
    const Outcome base = run_lorry(arguments);
    arguments.insert(arguments.end(), {"--adapter", path("first")});
    const Outcome adapted = run_lorry(arguments);
    EXPECT_EQ(adapted.code, 0) << adapted.err;
    if (command[0] == "eval") {
      EXPECT_NE(adapted.out, base.out);
    }
  }
  const Outcome inspected = run_lorry({"inspect", path("first"), "--json"});
  EXPECT_EQ(io::Json::parse(inspected.out).at("lora_bias"), true);
  EXPECT_EQ(io::Json::parse(inspected.out).at("modules_to_save"), (io::Json{"norm", "lm_head"}));
  const Outcome spectrum = run_lorry({"analyze", "spectrum", path("first")});
  EXPECT_EQ(spectrum.code, 0) << spectrum.err;
  EXPECT_NE(spectrum.err.find("what modules_to_save and lora_bias trained is left out"), std::string::npos)
      << spectrum.err;
  expect_error(run_lorry({"analyze", "compress", path("first"), "--rank", "1", "--out", path("small")}),
               "fields \"modules_to_save\", \"lora_bias\": found in use; compress keeps A and B alone");
}

TEST_F(BesideOptions, ResumedRunsEndWithTheSameBits) {
  const Arguments options = {"--model",
                             path("model"),
                             "--target-modules",
                             "q_proj",
                             "--rank",
                             "2",
                             "--bias",
                             "none",
                             "--seed",
                             "5",
                             "--save-steps",
                             "2",
                             "--modules-to-save",
                             "norm,lm_head"};
  ASSERT_EQ(train("whole", options).code, 0);
  cut_short("whole", "parts-of-it");
  Arguments resumed = options;
  resumed.emplace_back("--resume");
  const Outcome outcome = train("parts-of-it", resumed);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("after step 2 of 3"), std::string::npos) << outcome.err;
  EXPECT_TRUE(weights("parts-of-it") == weights("whole"));
}

TEST_F(BesideOptions, MistakesEndWithALine) {
  const auto fails = [](const Arguments& more, const std::string& words) {
    Arguments arguments = more;
    arguments.insert(arguments.end(), {"--model", path("model")});
    expect_error(train("wrong", arguments), words);
    EXPECT_FALSE(std::filesystem::exists(path("wrong"))) << "half-written";
  };
  fails({"--modules-to-save", "score"},
        "[lora] \"modules_to_save\": \"score\" matches no module of this model");
  fails({"--modules-to-save", ","}, "--modules-to-save: found \",\"; expected names separated by commas");
  fails({"--bias", "some"}, "--bias: found \"some\"; expected ");
  fails({"--bias", "all"}, "[lora] \"bias\": found \"all\"; this model has no such biases");
  fails({"--method", "full", "--lora-bias"}, "--lora-bias: has no effect with --method full");
}

TEST_F(BesideOptions, SweepsCountThemAndTryThem) {
  io::put(path("sweep.yaml"),
          fmt::format(
              "model: {0}\ndata: {1}\neval_data: {1}\nsteps: 1\ndtype: f32\nthreads: 1\nlora_bias: false\n"
              "target_modules: q_proj\nrank: 2\ngrid:\n  modules_to_save: [norm, lm_head]\n"
              "rows:\n  - lora_bias: true\n",
              path("model"), path("data.jsonl")));
  const Outcome outcome =
      run_lorry({"sweep", "--config", path("sweep.yaml"), "--out", path("sweep"), "--dry-run", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  std::vector<Index> planned;
  const io::Json plan = io::Json::parse(outcome.out);  // a loop would not keep a temporary alive
  for (const io::Json& row : plan.at("cells")) {
    planned.push_back(row.at("trainable_parameters").get<Index>());
  }
  std::vector<Index> trained;
  for (const char* name : {"norm", "lm_head", "", "bias"}) {
    Arguments arguments = {"--model", path("model"), "--target-modules", "q_proj", "--rank", "2", "--json"};
    if (std::string_view(name) == "bias") arguments.emplace_back("--lora-bias");
    if (std::string_view(name) == "norm" || std::string_view(name) == "lm_head") {
      arguments.insert(arguments.end(), {"--modules-to-save", name});
    }
    const Outcome run = train(fmt::format("count-{}", name), arguments);
    trained.push_back(io::Json::parse(run.out).at("trainable_parameters").get<Index>());
  }
  EXPECT_EQ(planned, (std::vector<Index>{trained[0], trained[1], trained[3]}));
  EXPECT_LT(trained[2], trained[3]);
}

}  // namespace
}  // namespace lorry::cli
