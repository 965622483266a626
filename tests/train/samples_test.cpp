// Samples of real runs: what they say, and that training does not notice them.
#include "train/samples.hpp"

#include "generate/generator.hpp"
#include "train/resume_fixture.hpp"

namespace lorry::train {
namespace {

class SampleRun : public Run {
 protected:
  std::vector<SampleReport> train(SampleOptions sampling) const {
    std::vector<SampleReport> reports;
    Samples samples(std::move(sampling), [&](const SampleReport& report) { reports.push_back(report); });
    run_training(options_, {.monitor = [&](const LiveRun& live) { samples.look(live); }});
    return reports;
  }
  [[nodiscard]] std::string weights() const {
    const bool full = options_.method == Method::kFull;
    return get(options_.out / (full ? "model.safetensors" : "adapter_model.safetensors"));
  }
  /// The same run with and without samples leaves the same bytes.
  void expect_undisturbed() {
    options_.out = folder_ / "without";
    run_training(options_, {});
    const std::string without = weights();
    ASSERT_FALSE(without.empty());
    options_.out = folder_ / "with";
    EXPECT_EQ(train({.prompts = {"Once upon a time", "Lily"}, .every = 1, .max_new_tokens = 12}).size(), 7U);
    EXPECT_TRUE(weights() == without);  // not EXPECT_EQ: it would print them
  }

  SampleOptions two_ = {.prompts = {"Once upon a time", "Lily"}, .every = 4, .max_new_tokens = 8};
};

TEST_F(SampleRun, ComeBeforeTheFirstStepEverySoManyAndAfterTheLast) {
  options_.lr = 3e-2;
  const std::vector<SampleReport> reports = train(two_);
  ASSERT_EQ(reports.size(), 3U);
  const std::vector<Index> steps = {0, 4, 6};
  std::vector<io::Json> lines;
  for (const io::Json& line : log()) {
    if (line.contains("samples")) lines.push_back(line);
  }
  ASSERT_EQ(lines.size(), 3U);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    EXPECT_EQ(reports[i].step, steps[i]);
    EXPECT_EQ(lines[i].at("step"), steps[i]);
    ASSERT_EQ(lines[i].at("samples").size(), 2U);
    EXPECT_EQ(lines[i].at("samples")[1].at("prompt"), "Lily");
    EXPECT_EQ(lines[i].at("samples")[1].at("text"), reports[i].samples[1].text);
    EXPECT_EQ(reports[i].samples[0].tokens, 8);
    EXPECT_FALSE(reports[i].samples[0].text.empty());
  }
  EXPECT_NE(reports[0].samples[0].text, reports[2].samples[0].text) << "the run taught nothing that shows";
}

TEST_F(SampleRun, AreTheGreedyTextsOfTheModelBeforeAndOfTheResultAfter) {
  two_.every = 0;
  const std::vector<SampleReport> reports = train(two_);
  ASSERT_EQ(reports.size(), 2U);
  for (const bool tuned : {false, true}) {
    const model::LoadedModel model =
        model::open_model(options_.model, tuned ? options_.out : std::filesystem::path(), DType::kF32, 1);
    const auto ids = data::encode_prompt(model::make_encoder(model), "Lily");
    const auto expected = generate::generate(*model.decoder, ids, {.max_new_tokens = 8});
    const std::string whole = model.tokenizer->decode(ids) + reports[tuned ? 1 : 0].samples[1].text;
    std::vector<std::int32_t> all = ids;
    all.insert(all.end(), expected.ids.begin(), expected.ids.end());
    EXPECT_EQ(whole, model.tokenizer->decode(all));
  }
}

TEST_F(SampleRun, DoNotDisturbALoraRunWithDropoutAndNoise) {
  options_.lora.lora_dropout = 0.1;
  options_.neftune_noise_alpha = 5;
  options_.grad_accumulation_steps = 2;
  expect_undisturbed();
}

TEST_F(SampleRun, DoNotDisturbABf16Run) {
  options_.dtype = DType::kBF16;
  expect_undisturbed();
}

TEST_F(SampleRun, DoNotDisturbAFullRun) {
  options_.method = Method::kFull;
  options_.lr = 1e-4;
  expect_undisturbed();
}

TEST_F(SampleRun, OfARunThatGoesOnAreThoseOfTheRunLeftAlone) {
  options_.save_steps = 3;
  train(two_);
  const auto samples_of = [&] {
    std::vector<std::string> found;
    for (io::Json line : log()) {
      if (!line.contains("samples")) continue;
      line.erase("seconds");
      found.push_back(line.dump());
    }
    return found;
  };
  const std::vector<std::string> whole = samples_of();
  const std::string alone = weights();
  options_.out = folder_ / "parts";
  options_.resume = true;
  for (const Index stop : {0, 2, 4, 5, 6}) {
    Samples samples(two_, {});
    Index done = -1;
    run_training(options_, {.on_start = [&](const RunPlan& plan) { done = plan.first_step; },
                            .on_step = [&](const StepReport& report) { done = report.step; },
                            .monitor = [&](const LiveRun& live) { samples.look(live); },
                            .stop_requested = [&] { return stop < 6 && done >= stop; }});
  }
  EXPECT_EQ(samples_of(), whole);
  EXPECT_TRUE(weights() == alone);
}

TEST_F(SampleRun, OfARunThatStopsEarlyAreTakenOnceAtItsEnd) {
  options_.steps = 40;
  options_.eval_steps = 1;
  options_.early_stopping_patience = 1;
  options_.lr = 0.1;
  two_.every = 1;
  const std::vector<SampleReport> reports = train(two_);
  const Index steps = log().back().at("step");
  ASSERT_LT(steps, 40);
  ASSERT_EQ(std::ssize(reports), steps + 1);
  EXPECT_EQ(reports.back().step, steps);
}

TEST_F(SampleRun, AConversationsPromptIsWhatTheUserSays) {
  std::string records;
  for (int i = 0; i < 6; ++i) {
    records += R"({"messages": [{"role": "user", "content": "Who is there?"},
)";
    records.pop_back();
    records += R"( {"role": "assistant", "content": "It is Tom."}]})";
    records += '\n';
  }
  std::filesystem::remove_all(folder_ / "data");
  std::filesystem::create_directory(folder_ / "data");
  put(folder_ / "data" / "train.jsonl", records);
  options_.reading.chat_template = "zephyr";
  options_.max_seq_length = 128;
  options_.eval_steps = 0;
  options_.steps = 20;
  options_.lr = 1e-2;
  const std::vector<SampleReport> reports =
      train({.prompts = {"Who is there?"}, .every = 0, .max_new_tokens = 20});
  ASSERT_EQ(reports.size(), 2U);
  // This model's row of </s> is zero: it learns what to say, but not to end.
  EXPECT_TRUE(reports.back().samples[0].text.starts_with("It is Tom.")) << reports.back().samples[0].text;
}

TEST_F(SampleRun, APromptBeyondTheModelsPositionsIsSaid) {
  std::string longest;
  for (int i = 0; i < 600; ++i) longest += "Lily ";
  const std::string error = io::error_of([&] { train({.prompts = {longest}}); });
  EXPECT_NE(error.find("[train] --sample-prompts: found a prompt of "), std::string::npos) << error;
  EXPECT_NE(error.find("expected at most 512, the model's positions"), std::string::npos) << error;
}

TEST(SamplePrompts, AreTextsAndFilesOfThem) {
  const io::ScratchFolder folder;
  put(folder / "a.txt", "one\n\ntwo\n");
  put(folder / "b.jsonl", "{\"prompt\": \"three\\nlines\"}\n");
  const std::vector<std::string> prompts = read_sample_prompts(
      {"zero", (folder / "a.txt").string(), (folder / "b.jsonl").string(), "end of a story."});
  EXPECT_EQ(prompts, (std::vector<std::string>{"zero", "one", "two", "three\nlines", "end of a story."}));
  EXPECT_NE(io::error_of([&] { read_sample_prompts({(folder / "none.txt").string()}); }), "no error");
  EXPECT_NE(io::error_of([&] { read_sample_prompts({"\xff"}); }).find("[train] --sample-prompts"),
            std::string::npos);
}

}  // namespace
}  // namespace lorry::train
