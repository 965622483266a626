// Whole runs from folder to folder, on stories260k.
#include <algorithm>

#include "model/adapter_files.hpp"
#include "train/run_fixture.hpp"

namespace lorry::train {
namespace {

TEST_F(Run, WritesTheAdapterAndALogThatAgreeWithItsResult) {
  std::optional<RunPlan> plan;
  std::vector<StepReport> reports;
  std::vector<Index> evaluated;
  const RunResult result = run_training(
      options_, {.on_start = [&](const RunPlan& p) { plan = p; },
                 .on_step = [&](const StepReport& report) { reports.push_back(report); },
                 .on_evaluation = [&](Index step, const Evaluation& /*e*/) { evaluated.push_back(step); }});
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->steps, 6);
  EXPECT_EQ(plan->adapted_modules, 5 * 7);
  EXPECT_EQ(plan->model_parameters, 260032);
  // Rank 8: q and o 64 + 64, k and v 64 + 32, gate, up and down 64 + 172, in five layers.
  EXPECT_EQ(plan->trainable_parameters, 5 * 8 * (2 * 128 + 2 * 96 + 3 * 236));
  EXPECT_EQ(plan->data.records, 5);
  EXPECT_EQ(plan->eval_data->records, 1);
  EXPECT_EQ(evaluated, (std::vector<Index>{0, 4, 6}));

  const std::vector<io::Json> lines = log();
  ASSERT_EQ(lines.size(), 6U + 3U);
  EXPECT_EQ(lines.front()["step"], 0);
  EXPECT_EQ(lines.front()["eval_loss"], result.first_evaluation->loss);
  EXPECT_EQ(lines.back()["eval_loss"], result.last_evaluation->loss);
  EXPECT_EQ(lines[1]["loss"], reports[0].loss);
  EXPECT_EQ(lines[7]["loss"], result.loss);
  EXPECT_EQ(lines[7]["step"], 6);
  for (const char* field : {"lr", "grad_norm", "tokens", "targets", "seconds", "tokens_per_second"}) {
    EXPECT_TRUE(lines[1][field].is_number()) << field;
  }
  EXPECT_LT(result.last_evaluation->loss, result.first_evaluation->loss);
  EXPECT_LT(reports.back().loss, reports.front().loss);
  EXPECT_GT(result.peak_rss_bytes, 0);

  // What was written is what was evaluated.
  model::LoadedModel model = model::open_model(options_.model, options_.out, DType::kF32, 1);
  EXPECT_EQ(model.adapter->config().base_model_name_or_path, options_.model.string());
  const data::Dataset valid = data::load_dataset(folder_ / "data" / "valid.jsonl", model::make_encoder(model),
                                                 *options_.max_seq_length);
  model::Decoder::Workspace workspace;
  const Evaluation again = evaluate(*model.decoder, valid.documents, *options_.max_seq_length, workspace);
  EXPECT_EQ(again.loss, result.last_evaluation->loss);
}

TEST_F(Run, SameSeedSameBytesOtherSeedOthers) {
  const auto adapter_bytes = [&](const char* out, std::uint64_t seed) {
    options_.out = folder_ / out;
    options_.seed = seed;
    options_.lora.lora_dropout = 0.1F;
    run_training(options_, {});
    return get(folder_ / out / "adapter_model.safetensors");
  };
  const std::string first = adapter_bytes("first", 1);
  EXPECT_EQ(adapter_bytes("second", 1), first);
  EXPECT_NE(adapter_bytes("third", 2), first);
}

TEST_F(Run, TheSeedSetsTheFirstAdapterTheOrderAndTheMasks) {
  options_.lr = 0.0F;  // nothing moves: the adapter stays as it began, losses depend on the record alone
  options_.max_seq_length = 32;  // no two of the records fit together
  options_.steps = 5;            // one epoch
  const auto losses_with = [&](const std::string& out, std::uint64_t seed) {
    options_.out = folder_ / out;
    options_.seed = seed;
    std::vector<double> losses;
    run_training(options_, {.on_start = {},
                            .on_step = [&](const StepReport& report) { losses.push_back(report.loss); },
                            .on_evaluation = {}});
    return losses;
  };
  std::vector<double> first = losses_with("first", 1);
  std::vector<double> second = losses_with("second", 2);
  EXPECT_NE(get(folder_ / "first" / "adapter_model.safetensors"),
            get(folder_ / "second" / "adapter_model.safetensors"));
  EXPECT_NE(first, second);
  std::sort(first.begin(), first.end());
  std::sort(second.begin(), second.end());
  EXPECT_EQ(first, second);  // the same records in another order

  // With an adapter whose B is not zero, and one record, only the masks are left to differ.
  put(folder_ / "data" / "train.jsonl", std::string(kTrain).substr(0, std::string(kTrain).find('\n') + 1));
  options_.lora.lora_dropout = 0.5;
  options_.lr = 1e-2F;
  options_.steps = 3;
  losses_with("start", 1);
  options_.adapter = folder_ / "start";
  options_.lr = 0.0F;
  EXPECT_EQ(losses_with("third", 3), losses_with("third again", 3));
  EXPECT_NE(losses_with("fourth", 3), losses_with("fifth", 4));
}

TEST_F(Run, OptionsReachTheSteps) {
  const auto bytes_of = [&](const std::string& out) {
    options_.out = folder_ / out;
    run_training(options_, {});
    return get(options_.out / "adapter_model.safetensors");
  };
  const std::string plain = bytes_of("plain");
  for (Index step = 1; step <= 6; ++step) {  // a line from 5e-3 to 0
    EXPECT_NEAR(log()[static_cast<std::size_t>(step < 5 ? step : step + 1)]["lr"],
                5e-3 * (7.0 - static_cast<double>(step)) / 6, 1e-8);
  }
  options_.grad_checkpoint = true;
  EXPECT_EQ(bytes_of("checkpoint"), plain);
  options_.lr_scheduler = optim::ScheduleKind::kCosine;
  options_.warmup_steps = 2;
  const std::string cosine = bytes_of("cosine");
  EXPECT_NE(cosine, plain);
  EXPECT_EQ(log()[1]["lr"], 0.0);
  EXPECT_NEAR(log()[2]["lr"], 2.5e-3, 1e-8);
  EXPECT_NEAR(log()[3]["lr"], 5e-3, 1e-8);
  options_.optimizer.weight_decay = 0.5;
  const std::string decayed = bytes_of("decayed");
  EXPECT_NE(decayed, cosine);
  options_.max_grad_norm = 1e-6F;
  EXPECT_NE(bytes_of("clipped"), decayed);
  options_.batch_size = 2;
  options_.max_seq_length = 32;
  options_.grad_accumulation_steps = 2;
  options_.eval_steps = 0;
  bytes_of("larger");
  const std::vector<io::Json> lines = log();
  EXPECT_EQ(lines.size(), 6U + 2U);
  // Five sequences: two batches of two, then a step with the last one alone.
  EXPECT_EQ(lines[1]["tokens"].get<Index>() + lines[2]["tokens"].get<Index>(),
            lines[3]["tokens"].get<Index>() + lines[4]["tokens"].get<Index>());
}

/// Sums over the steps of a log.
std::pair<Index, Index> tokens_and_targets(const std::vector<io::Json>& log) {
  std::pair<Index, Index> sums;
  for (const io::Json& line : log) {
    if (!line.contains("tokens")) continue;
    sums.first += line["tokens"].get<Index>();
    sums.second += line["targets"].get<Index>();
  }
  return sums;
}

TEST_F(Run, SharedPromptsAreReadOnceAndTheSameIsLearnt) {
  put(folder_ / "data" / "train.jsonl", kRepeatedPrompts);
  options_.steps.reset();
  options_.epochs = 1;
  options_.eval_steps = 0;
  options_.max_seq_length = 256;  // all in one step
  run_training(options_, {});
  const auto [tokens, targets] = tokens_and_targets(log());
  const double loss = log().at(1)["loss"];
  options_.share_prompts = true;
  options_.out = folder_ / "shared";
  data::Statistics statistics;
  run_training(options_, {.on_start = [&](const RunPlan& plan) { statistics = plan.data; }});
  const auto [shared_tokens, shared_targets] = tokens_and_targets(log());
  EXPECT_EQ(shared_tokens, tokens - statistics.repeated);
  EXPECT_GT(statistics.repeated, 20);
  EXPECT_EQ(shared_targets, targets);
  EXPECT_NEAR(log().at(1)["loss"].get<double>(), loss, 1e-5 * loss);
}

TEST_F(Run, GoesOnFromAnAdapter) {
  const RunResult first = run_training(options_, {});
  options_.adapter = options_.out;
  options_.out = folder_ / "more";
  const RunResult second = run_training(options_, {});
  EXPECT_EQ(second.first_evaluation->loss, first.last_evaluation->loss);
}

TEST_F(Run, FullMethodWritesAModelFolder) {
  options_.method = Method::kFull;
  options_.lr = 1e-3F;
  const RunResult result = run_training(options_, {});
  EXPECT_EQ(result.trainable_parameters, 260032);
  EXPECT_LT(result.last_evaluation->loss, result.first_evaluation->loss);
  for (const char* file : {"config.json", "tokenizer.json", "tokenizer_config.json"}) {
    EXPECT_EQ(get(options_.out / file), get(options_.model / file)) << file;
  }
  model::LoadedModel model = model::open_model(options_.out, {}, DType::kF32, 1);
  const data::Dataset valid = data::load_dataset(folder_ / "data" / "valid.jsonl", model::make_encoder(model),
                                                 *options_.max_seq_length);
  model::Decoder::Workspace workspace;
  EXPECT_EQ(evaluate(*model.decoder, valid.documents, *options_.max_seq_length, workspace).loss,
            result.last_evaluation->loss);
}

TEST_F(Run, EpochsCountWholeAndPartialPasses) {
  options_.steps.reset();
  options_.max_seq_length = 32;  // no two of the records fit together
  options_.grad_accumulation_steps = 2;
  for (const auto& [epochs, steps] :
       std::vector<std::pair<double, Index>>{{1.0, 3}, {2.0, 6}, {1.3, 4}, {0.1, 1}}) {
    options_.epochs = epochs;
    options_.out = folder_ / ("epochs" + std::to_string(epochs));
    EXPECT_EQ(run_training(options_, {}).steps, steps) << epochs;
  }
}

TEST_F(Run, UsedOutputFolderIsRefusedAndKept) {
  run_training(options_, {});
  const std::string before = get(options_.out / "log.jsonl");
  const std::string error_text = error();
  EXPECT_EQ(
      error_text,
      "[train] --out " + options_.out.string() +
          ": already holds adapter_model.safetensors; expected a new folder (or remove that one first)");
  EXPECT_EQ(get(options_.out / "log.jsonl"), before);
}

TEST_F(Run, MistakesLeaveNothingBehind) {
  options_.data = folder_ / "data" / "absent.jsonl";
  EXPECT_NE(error().find("absent.jsonl"), std::string::npos) << error();
  put(folder_ / "data" / "broken.jsonl", "{\"text\": \"a\"}\n{\"text\": 3}\n");
  options_.data = folder_ / "data" / "broken.jsonl";
  EXPECT_NE(error().find("broken.jsonl:2"), std::string::npos) << error();
  options_.data = folder_ / "data";
  options_.lora.target_modules = model::parse_target_modules("no_such_proj");
  EXPECT_NE(error().find("no_such_proj"), std::string::npos) << error();
  options_.lora = default_lora();
  options_.lora.r = 0;
  EXPECT_NE(error().find("rank: found 0"), std::string::npos) << error();
  options_.lora = default_lora();
  options_.method = Method::kFull;
  options_.adapter = folder_ / "adapter";
  EXPECT_NE(error().find("--method full"), std::string::npos) << error();
  EXPECT_FALSE(std::filesystem::exists(options_.out));
}

TEST_F(Run, OutputThatCannotBeAFolder) {
  put(folder_ / "out", "a file");
  EXPECT_NE(error().find((folder_ / "out").string()), std::string::npos) << error();
  EXPECT_EQ(get(folder_ / "out"), "a file");
}

}  // namespace
}  // namespace lorry::train
