#include "train/trainer.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

#include "io/io_support.hpp"
#include "model/peft_names.hpp"
#include "ops/reference/cross_entropy.hpp"
#include "train/golden_trainer.hpp"

namespace lorry::train {
namespace {

double relative(const std::vector<float>& got, const std::vector<float>& want) {
  double difference = 0;
  double norm = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double delta = static_cast<double>(got[i]) - static_cast<double>(want[i]);
    difference += delta * delta;
    norm += static_cast<double>(want[i]) * static_cast<double>(want[i]);
  }
  return std::sqrt(difference / norm);
}

std::vector<float> gradients_of(const GoldenTrainer& run) {
  std::vector<float> all;
  for (const optim::Parameter& parameter : run.parameters) {
    const float* first = parameter.gradient.row<float>(0);
    all.insert(all.end(), first, first + parameter.gradient.size());
  }
  return all;
}

TEST(Trainer, AccumulationEqualsTheBigBatch) {
  for (const char* name : {"llama", "gpt2"}) {
    GoldenTrainer big(name, constant_rate(1e-3F));
    GoldenTrainer accumulated(name, constant_rate(1e-3F));
    // Documents of 40, 17 and 29 tokens with unequal numbers of targets: a mean of means would differ.
    const std::vector<model::GoldenDocument> documents = big.golden.documents();
    std::vector<data::Batch> parts;
    for (const model::GoldenDocument& document : documents) parts.push_back(model::pack({document}));
    for (Index step = 0; step < 5; ++step) {
      const StepReport want = big.trainer->step({model::pack(documents)});
      const StepReport got = accumulated.trainer->step(parts);
      EXPECT_NEAR(got.loss, want.loss, 1e-6 * want.loss) << name;
      EXPECT_NEAR(got.grad_norm, want.grad_norm, 1e-6 * want.grad_norm) << name;
      EXPECT_EQ(got.tokens, want.tokens);
      EXPECT_EQ(got.targets, want.targets);
      const double difference = relative(gradients_of(accumulated), gradients_of(big));
      EXPECT_LE(difference, 1e-6) << name << " step " << step;
    }
    EXPECT_LE(relative(accumulated.values(), big.values()), 1e-6) << name;
  }
}

// peft 0.21.2, torch 2.15.0: scripts/golden/loraplus.py.
TEST(Trainer, LoraPlusGivesTheLossesOfPeft) {
  constexpr std::array kLosses = {5.11611515, 5.17892938, 5.12802618, 5.05793993,
                                  5.28403702, 5.06533915, 5.11290109, 5.06000933};
  TrainerConfig config = constant_rate(5e-4F);
  config.optimizer.weight_decay = 0.1;
  config.loraplus.lr_ratio = 16.0;
  GoldenTrainer run("llama", config);
  for (std::size_t step = 0; step < kLosses.size(); ++step) {
    const double loss = run.trainer->step({run.batch(static_cast<Index>(step))}).loss;
    EXPECT_NEAR(loss, kLosses[step], 1e-5 * kLosses[step]) << step;  // float32 noise: 2e-6 at the last step
  }
}

TEST(Trainer, SmoothsTheLossThatItLowers) {
  TrainerConfig config = constant_rate(0.0F);
  config.label_smoothing = 0.125F;
  GoldenTrainer run("llama", config);
  const std::vector<model::GoldenDocument> documents = run.golden.documents();
  double want = 0;
  for (std::size_t i = 0; i < documents.size(); ++i) {
    const Matrix logits = run.golden.tensor(fmt::format("document.{}.logits_adapter", i));
    want += ops::reference::cross_entropy(ops::reference::dense<double>(logits), documents[i].targets, 0.125);
  }
  const StepReport report = run.trainer->step({model::pack(documents)});
  want /= static_cast<double>(report.targets);
  EXPECT_NEAR(report.loss, want, 1e-5 * want);
  EXPECT_GT(std::abs(report.loss - run.golden.scalar("loss_adapter")), 1e-3);
}

TEST(Trainer, NoiseOnTheEmbeddingsFollowsFromTheSeed) {
  TrainerConfig config = constant_rate(0.0F);
  const data::Batch batch = GoldenTrainer("llama", config).batch(0);
  const double plain = GoldenTrainer("llama", config).trainer->step({batch}).loss;
  config.neftune_noise_alpha = 5.0F;
  GoldenTrainer noisy("llama", config);
  const double first = noisy.trainer->step({batch}).loss;
  EXPECT_NE(first, plain);
  EXPECT_NE(noisy.trainer->step({batch}).loss, first);
  EXPECT_EQ(GoldenTrainer("llama", config).trainer->step({batch}).loss, first);
  config.dropout_seed = 1;
  EXPECT_NE(GoldenTrainer("llama", config).trainer->step({batch}).loss, first);
}

TEST(Trainer, DropoutDrawsAnewForEveryMicroBatch) {
  GoldenTrainer one("llama", constant_rate(0.0F), 0.5F);
  const data::Batch batch = one.batch(0);
  const double first = one.trainer->step({batch}).loss;
  const double second = one.trainer->step({batch}).loss;
  EXPECT_NE(first, second);  // rate 0: only the mask can differ
  GoldenTrainer again("llama", constant_rate(0.0F), 0.5F);
  EXPECT_EQ(again.trainer->step({batch}).loss, first);
  GoldenTrainer both("llama", constant_rate(0.0F), 0.5F);
  EXPECT_NEAR(both.trainer->step({batch, batch}).loss, (first + second) / 2, 1e-9);
}

TEST(Trainer, RecomputingBlocksGivesTheSameUpdates) {
  for (const DType compute : {DType::kF32, DType::kBF16}) {
    for (const char* name : {"qwen3", "gpt2"}) {
      TrainerConfig config = constant_rate(1e-2F);
      GoldenTrainer kept(name, config, 0.3F, compute);
      config.grad_checkpoint = true;
      GoldenTrainer recomputed(name, config, 0.3F, compute);
      const std::vector<float> before = kept.values();
      for (Index step = 0; step < 3; ++step) {
        const std::vector<data::Batch> batches = {kept.batch(2 * step), kept.batch(2 * step + 1)};
        EXPECT_EQ(kept.trainer->step(batches).loss, recomputed.trainer->step(batches).loss);
      }
      EXPECT_EQ(kept.values(), recomputed.values()) << name;
      EXPECT_NE(kept.values(), before) << name;
    }
  }
}

TEST(Trainer, LossThatIsNotFiniteIsAnErrorAndChangesNothing) {
  GoldenTrainer run("llama", constant_rate(1e-3F));
  run.trainer->step({run.batch(0)});
  nn::LowRankUpdate& update = run.adapter.entries()[3]->update;
  update.b_transposed.row<float>(1)[2] = std::numeric_limits<float>::infinity();
  const std::vector<float> before = run.values();
  const std::string error = io::error_of([&] { run.trainer->step({run.batch(1)}); });
  EXPECT_TRUE(error.starts_with("[train] step 2: loss ")) << error;
  EXPECT_NE(
      error.find(", not finite from " + model::peft_name(run.adapter.entries()[3]->module, model::kLoraB) +
                 " on; expected finite numbers; try a lower --lr"),
      std::string::npos)
      << error;
  EXPECT_EQ(run.values(), before);
  EXPECT_EQ(run.trainer->steps_done(), 1);
}

TEST(Trainer, ALossThatIsNotFiniteIsTracedToTheFirstLayerWithSuchAnOutput) {
  const io::ScratchFolder folder;
  // In memory; what it is looked for among, too, is in a scratch file.
  for (const auto& [name, in_file] : {std::pair{"llama", 0}, {"gpt2", 0}, {"llama", 2}}) {
    GoldenTrainer run(name, constant_rate(1e-3F));
    if (in_file > 0) {
      run.trainer->workspace().inputs.use_file(io::ScratchFile(folder.path(), "block inputs"), in_file);
    }
    const model::ModelConfig& config = run.golden.decoder().config();
    const std::string block = config.block_name(1);
    // Finite, but what it gives is not.
    for (auto& entry : run.adapter.entries()) {
      if (!entry->module.starts_with(block)) continue;
      nn::LowRankUpdate& update = entry->update;
      for (Index i = 0; i < update.a.size(); ++i) update.a.row<float>(0)[i] = 1e30F;
      for (Index i = 0; i < update.b_transposed.size(); ++i) update.b_transposed.row<float>(0)[i] = 1e30F;
    }
    const std::string error = io::error_of([&] { run.trainer->step({run.batch(0)}); });
    EXPECT_NE(error.find(", not finite from " + block.substr(0, block.size() - 1) + " on; "),
              std::string::npos)
        << error;
  }
}

TEST(Trainer, GradientThatIsNotFiniteIsAnErrorAndChangesNothing) {
  GoldenTrainer run("llama", constant_rate(1e-3F));
  // With A zero the loss is that of the base, but the gradient by A, scaled by s B, is beyond float32.
  nn::LowRankUpdate& update = run.adapter.entries().back()->update;
  update.a.fill_zero();
  update.scale = 1e30F;
  for (Index i = 0; i < update.b_transposed.size(); ++i) update.b_transposed.row<float>(0)[i] *= 1e30F;
  const std::vector<float> before = run.values();
  const std::string error = io::error_of([&] { run.trainer->step({run.batch(0)}); });
  EXPECT_TRUE(error.starts_with("[train] step 1: loss 5.")) << error;
  EXPECT_NE(error.find(", not finite from " +
                       model::peft_name(run.adapter.entries().back()->module, model::kLoraA) + " on; "),
            std::string::npos)
      << error;
  EXPECT_EQ(run.values(), before);
}

TEST(Trainer, ClipsByTheNormItReports) {
  // With a large epsilon an AdamW update is proportional to the gradient, so that clipping shows.
  TrainerConfig config = constant_rate(1.0F);
  config.optimizer.eps = 100.0;
  GoldenTrainer whole("llama", config);
  const std::vector<float> start = whole.values();
  const double norm = whole.trainer->step({whole.batch(0)}).grad_norm;
  config.max_grad_norm = static_cast<float>(norm / 4);
  GoldenTrainer clipped("llama", config);
  EXPECT_EQ(clipped.trainer->step({clipped.batch(0)}).grad_norm, norm);
  std::vector<float> full_step = whole.values();
  std::vector<float> short_step = clipped.values();
  for (std::size_t i = 0; i < start.size(); ++i) {
    full_step[i] = (full_step[i] - start[i]) / 4;
    short_step[i] -= start[i];
  }
  EXPECT_LE(relative(short_step, full_step), 1e-2);  // updates near 1e-4 of values near 1
}

TEST(Trainer, ReportsTheScheduledRateAndCounts) {
  TrainerConfig config = constant_rate(1e-3F, 4);
  config.schedule = {optim::ScheduleKind::kLinear, 1e-3F, 4, 2};
  GoldenTrainer run("llama", config);
  const std::vector<float> start = run.values();
  const data::Batch batch = run.batch(0);
  StepReport report = run.trainer->step({batch, batch});
  EXPECT_EQ(report.step, 1);
  EXPECT_EQ(report.total_steps, 4);
  EXPECT_EQ(report.lr, 0.0F);
  EXPECT_EQ(run.values(), start);  // warm-up begins at rate 0
  EXPECT_EQ(report.tokens, 2 * batch.token_count);
  EXPECT_EQ(report.targets, 2 * batch.target_count);
  report = run.trainer->step({batch});
  EXPECT_EQ(report.step, 2);
  EXPECT_FLOAT_EQ(report.lr, 5e-4F);
  EXPECT_NE(run.values(), start);
  EXPECT_EQ(run.trainer->steps_done(), 2);
}

}  // namespace
}  // namespace lorry::train
