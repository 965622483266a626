// Runs that stop and go on end as if they had never stopped; what cannot go on is refused by name.
#include "train/resume.hpp"

#include <fmt/format.h>

#include "train/diverged.hpp"
#include "train/resume_fixture.hpp"

namespace lorry::train {
namespace {

TEST_F(Resume, GivesTheSameBitsAndLogWithDropoutAccumulationAndSeveralEpochs) {
  options_.lora.lora_dropout = 0.2;
  options_.max_seq_length = 32;  // five sequences an epoch, the last step of which is a short one
  options_.grad_accumulation_steps = 2;
  options_.steps.reset();
  options_.epochs = 2.5;
  options_.warmup_steps = 2;
  expect_same_wherever_it_stops();
}

TEST_F(Resume, GivesTheSameBitsAndLogWithTheXrayAndTheBestModel) {
  options_.xray_steps = 2;
  options_.eval_steps = 2;
  options_.load_best_model_at_end = true;
  options_.lr = 0.05;  // so large that the last step is not the best one
  options_.lr_scheduler = optim::ScheduleKind::kConstant;
  expect_same_wherever_it_stops();
  EXPECT_EQ(log().back().at("best_step"), 2);
}

TEST_F(Resume, GivesTheSameBitsAndLogWithTheFullMethodInBf16) {
  options_.method = Method::kFull;
  options_.dtype = DType::kBF16;  // masters in float32 beside what the products read
  options_.lr = 1e-3;
  options_.optimizer.weight_decay = 0.1;
  expect_same_wherever_it_stops();
}

TEST_F(Resume, GivesTheSameBitsAndLogOfARunThatStartedFromAnAdapter) {
  options_.out = folder_ / "start";
  options_.lora.r = 3;
  train();
  options_.adapter = options_.out;
  options_.lr_scheduler = optim::ScheduleKind::kCosine;
  options_.grad_checkpoint = true;
  expect_same_wherever_it_stops();
}

TEST_F(Resume, GivesTheSameBitsAndLogOfARunThatStopsEarly) {
  options_.steps = 12;
  options_.eval_steps = 1;
  options_.early_stopping_patience = 2;
  options_.xray_steps = 3;  // not where it stops
  options_.lr = 0.05;
  options_.lr_scheduler = optim::ScheduleKind::kConstant;
  expect_same_wherever_it_stops();
  EXPECT_LT(log_without_clocks().size(), 24U);
  const io::Json advice = log().back();
  EXPECT_TRUE(advice.contains("advice")) << advice;
}

TEST_F(Resume, GivesTheSameBitsAndLogOfUpdatesThatBeganAsAPartOfTheWeights) {
  options_.lora.lora_dropout = 0.2;
  options_.lora.r = 3;
  options_.lora.rank_pattern = {{"down_proj", 2}};
  options_.xray_steps = 2;
  for (const char* init : {"pissa", "olora"}) {
    ASSERT_TRUE(model::parse_lora_init(init, options_.lora));
    expect_same_wherever_it_stops();
    std::filesystem::remove_all(folder_ / "whole");
    std::filesystem::remove_all(folder_ / "parts");
  }
}

TEST_F(Resume, GivesTheSameBitsAndLogOfDora) {
  options_.lora.lora_dropout = 0.2;
  options_.lora.use_dora = true;
  options_.load_best_model_at_end = true;
  options_.eval_steps = 2;
  options_.lr = 0.05;
  expect_same_wherever_it_stops();
}

TEST_F(Resume, GivesTheSameBitsAndLogOfUpdatesOfEmbeddings) {
  options_.lora.target_modules = model::parse_target_modules("embed_tokens,q_proj");
  options_.max_seq_length = 32;  // five sequences an epoch: stops are within the first and the second
  options_.grad_accumulation_steps = 2;
  options_.lr = 0.02;
  expect_same_wherever_it_stops();
}

TEST_F(Resume, GivesTheSameBitsAndLogOfEmbeddingsThatTrainInFull) {
  options_.lora.lora_dropout = 0.2;
  options_.lora.target_modules = model::parse_target_modules("q_proj");
  options_.lora.modules_to_save = {"embed_tokens"};
  options_.max_seq_length = 32;
  options_.grad_accumulation_steps = 2;
  options_.lr = 0.02;
  options_.neftune_noise_alpha = 5;
  expect_same_wherever_it_stops();
}

TEST_F(Resume, GivesTheSameBitsAndLogWithSharedPrompts) {
  put(folder_ / "data" / "train.jsonl", kRepeatedPrompts);
  options_.lora.lora_dropout = 0.2;
  options_.share_prompts = true;
  options_.max_seq_length = 40;
  options_.grad_accumulation_steps = 2;
  options_.lr = 0.02;
  expect_same_wherever_it_stops();
  const Index shared = log().at(1)["tokens"];
  options_.share_prompts = false;
  options_.resume = false;
  options_.out = folder_ / "apart";
  train();
  EXPECT_NE(log().at(1)["tokens"], shared);
}

TEST_F(Resume, RefusesToGoOnWithPromptsSharedThatWereNot) {
  train(2);
  options_.resume = true;
  options_.share_prompts = true;
  EXPECT_NE(error().find("made with other settings (share_prompts: none, now true)"), std::string::npos)
      << error();
}

TEST_F(Resume, SavesEverySoManyStepsAndLosesNoLineOfTheLogOrWritesItTwice) {
  options_.save_steps = 2;
  train(5);
  EXPECT_EQ(checkpoints(), (std::vector<Index>{2, 4, 5}));
  // As after a kill: lines that the checkpoint does not know of, the last one half written.
  std::filesystem::remove_all(checkpoint_folder(options_.out, 5));
  put(options_.out / "log.jsonl", get(options_.out / "log.jsonl") + R"({"step":6,"lo)");
  options_.resume = true;
  const RunResult result = train();
  EXPECT_EQ(result.steps, 6);
  std::vector<Index> steps;
  for (const io::Json& line : log()) {
    if (line.contains("lr")) steps.push_back(line.at("step"));
  }
  EXPECT_EQ(steps, (std::vector<Index>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(checkpoints(), (std::vector<Index>{2, 4, 6}));
}

TEST_F(Resume, StartsAfreshWithoutACheckpointAndSaysWhereItGoesOn) {
  options_.resume = true;
  std::vector<Index> begun;
  const RunObserver stop_after_two = {
      .on_start = [&](const RunPlan& plan) { begun.push_back(plan.first_step); },
      .on_step = [&](const StepReport& report) { begun.push_back(report.step); },
      .stop_requested = [&] { return begun.back() == 2; }};
  run_training(options_, stop_after_two);
  run_training(options_, {.on_start = [&](const RunPlan& plan) { begun.push_back(plan.first_step); }});
  EXPECT_EQ(begun, (std::vector<Index>{0, 1, 2, 2}));
}

TEST_F(Resume, FinishedRunIsLeftAloneAndKnown) {
  const RunResult first = train();
  const auto written = std::filesystem::last_write_time(options_.out / "adapter_model.safetensors");
  const std::string log = get(options_.out / "log.jsonl");
  options_.resume = true;
  const RunResult again = train();
  EXPECT_EQ(again.end, RunEnd::kFinishedEarlier);
  EXPECT_EQ(again.steps, first.steps);
  EXPECT_EQ(again.loss, first.loss);
  EXPECT_EQ(again.trainable_parameters, first.trainable_parameters);
  EXPECT_EQ(again.first_evaluation->loss, first.first_evaluation->loss);
  EXPECT_EQ(again.last_evaluation->perplexity, first.last_evaluation->perplexity);
  EXPECT_EQ(std::filesystem::last_write_time(options_.out / "adapter_model.safetensors"), written);
  EXPECT_EQ(get(options_.out / "log.jsonl"), log);
  options_.seed = 12;
  EXPECT_NE(error().find("made with other settings (seed: 11, now 12)"), std::string::npos) << error();
}

TEST_F(Resume, ChangedOptionsAndInputsAreRefusedByName) {
  options_.lr = 0.005;
  train(3);
  options_.resume = true;
  const auto expect_refusal = [&](const std::string& what) {
    const std::string text = error();
    EXPECT_EQ(text.substr(0, text.find("; expected")),
              fmt::format("[train] --resume: {}: was made with other settings ({})",
                          (options_.out / "checkpoint-3").string(), what));
  };
  const TrainOptions begun = options_;
  options_.steps = 60;
  expect_refusal("steps: 6, now 60");
  options_ = begun;
  options_.lr = 1e-3;
  expect_refusal("lr: 0.005, now 0.001");
  options_ = begun;
  options_.eval_steps = 3;
  expect_refusal("eval_steps: 4, now 3");
  options_ = begun;
  options_.xray_steps = 3;
  expect_refusal("xray_steps: none, now 3");
  options_ = begun;
  options_.method = Method::kFull;
  expect_refusal("method: \"lora\", now \"full\"");
  EXPECT_FALSE(std::filesystem::exists(options_.out / "config.json"))
      << "refused before anything was written";
  options_ = begun;
  const std::string records = get(folder_ / "data" / "train.jsonl");
  put(folder_ / "data" / "train.jsonl", records + R"({"prompt": "one ", "completion": "more"})");
  expect_refusal("the content of data has changed");
  put(folder_ / "data" / "train.jsonl", records);
  put(folder_ / "data" / "valid.jsonl", records);
  expect_refusal("the content of eval_data has changed");
  put(folder_ / "data" / "valid.jsonl", kValid);
  // What no result depends on may change.
  options_.save_steps = 1;
  options_.save_total_limit = 1;
  options_.threads = 2;
  options_.grad_checkpoint = true;
  EXPECT_EQ(train().steps, 6);
}

TEST_F(Resume, AnotherStartIsRefused) {
  const std::filesystem::path out = options_.out;
  options_.out = folder_ / "start";
  train();
  options_.adapter = options_.out;
  options_.out = out;
  train(3);
  options_.resume = true;
  std::string weights = get(options_.adapter / "adapter_model.safetensors");
  weights.back() = static_cast<char>(weights.back() ^ 1);
  put(options_.adapter / "adapter_model.safetensors", weights);
  EXPECT_NE(error().find("(the content of adapter has changed)"), std::string::npos) << error();
}

TEST_F(Resume, DamagedCheckpointsAndLogsAreNamed) {
  train(3);
  options_.resume = true;
  const std::filesystem::path folder = options_.out / "checkpoint-3";
  for (const char* name : {"adapter_model.safetensors", "optimizer.safetensors", "trainer_state.json"}) {
    const std::string whole = get(folder / name);
    put(folder / name, whole.substr(0, whole.size() / 2));
    EXPECT_NE(error().find((folder / name).string()), std::string::npos) << error();
    std::filesystem::remove(folder / name);
    EXPECT_NE(error().find(name), std::string::npos) << error();
    put(folder / name, whole);
  }
  const std::string log = get(options_.out / "log.jsonl");
  put(options_.out / "log.jsonl", log.substr(0, log.size() - 1));
  EXPECT_EQ(error(),
            fmt::format("[train] --resume: {}: found {} bytes; expected the {} that the checkpoint goes with",
                        (options_.out / "log.jsonl").string(), log.size() - 1, log.size()));
  put(options_.out / "log.jsonl", log);
  EXPECT_EQ(train().steps, 6);
}

TEST_F(Resume, AFolderWithCheckpointsIsNoNewOne) {
  train(2);
  EXPECT_EQ(error(),
            "[train] --out " + options_.out.string() +
                ": holds checkpoint-2 of a run that is not finished; expected --resume, or a new folder");
  put(options_.out / "model.safetensors", "of somebody");
  options_.resume = true;
  EXPECT_NE(error().find("already holds model.safetensors"), std::string::npos) << error();
}

TEST_F(Resume, ACheckpointIsAnAdapterAndWithTheFullMethodAModel) {
  train(2);
  options_.adapter = options_.out / "checkpoint-2";
  options_.out = folder_ / "from lora";
  EXPECT_EQ(train().steps, 6);
  options_.adapter.clear();
  options_.method = Method::kFull;
  options_.out = folder_ / "full";
  train(2);
  options_.model = options_.out / "checkpoint-2";
  options_.out = folder_ / "from full";
  EXPECT_EQ(train().steps, 6);
}

TEST_F(Resume, TwoThreadsRepeatThemselvesToTheBit) {
  options_.threads = 2;
  options_.lora.lora_dropout = 0.1;
  options_.dtype = DType::kBF16;
  train();
  const Left first = left();
  options_.out = folder_ / "again";
  train();
  EXPECT_TRUE(left() == first);
}

TEST_F(Resume, TheLastGoodStateSurvivesNumbersThatAreNotFinite) {
  options_.save_steps = 1;
  options_.max_grad_norm = 0;
  options_.lr = 1e36;  // B after one step; what it gives in the second is beyond float32
  const std::string text = error();
  EXPECT_NE(text.find("[train] step 2: loss "), std::string::npos) << text;
  EXPECT_NE(text.find("not finite from model.layers.0 on"), std::string::npos) << text;
  const std::vector<Index> saved = checkpoints();
  ASSERT_FALSE(saved.empty()) << text;
  EXPECT_NE(text.find(fmt::format("the last good state is {}",
                                  checkpoint_folder(options_.out, saved.back()).string())),
            std::string::npos)
      << text;
  EXPECT_FALSE(std::filesystem::exists(options_.out / "adapter_model.safetensors"));
  model::LoadedModel model =
      model::open_model(options_.model, checkpoint_folder(options_.out, saved.back()), DType::kF32, 1);
  EXPECT_NE(model.adapter, nullptr);
}

}  // namespace
}  // namespace lorry::train
