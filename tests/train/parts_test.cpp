// Training parts of GPT-2's c_attn: what is saved goes on as if it had never been saved, and zeros stay.
#include <gtest/gtest.h>

#include <cstring>

#include "analysis/amplification.hpp"
#include "io/io_support.hpp"
#include "io/safetensors.hpp"
#include "model/part_records.hpp"
#include "model/peft_names.hpp"
#include "train/golden_trainer.hpp"
#include "train/xray.hpp"

namespace lorry::train {
namespace {

/// An adapter on a model of its own, and a trainer whose optimiser starts anew.
struct PartsRun {
  explicit PartsRun(const std::filesystem::path& folder)
      : golden("gpt2"), adapter(model::load_adapter(folder, golden.decoder())) {
    start();
  }
  explicit PartsRun(const model::PeftConfig& config)
      : golden("gpt2"), adapter(model::Adapter::create(config, golden.decoder(), 5)) {
    start();
  }
  void start() {
    adapter.attach(golden.decoder());
    parameters = adapter.parameters();
    trainer =
        std::make_unique<Trainer>(golden.decoder(), trainable_of(adapter, parameters), constant_rate(1e-2F));
  }
  /// Losses of three steps.
  std::vector<double> train(Index first) {
    std::vector<double> losses;
    for (Index step = first; step < first + 3; ++step) {
      losses.push_back(trainer->step({model::pack(golden.training_documents(step))}).loss);
    }
    return losses;
  }

  model::GoldenCase golden;
  model::Adapter adapter;
  std::vector<optim::Parameter> parameters;
  std::unique_ptr<Trainer> trainer;
};

model::PeftConfig parts_config() {
  model::PeftConfig config;
  config.r = 4;
  config.lora_alpha = 8;
  config.lora_dropout = 0.1;
  config.target_modules = model::parse_target_modules("q_proj,v_proj,c_fc");
  config.rank_pattern = {{"v_proj", 2}};
  return config;
}

TEST(TrainParts, GoesOnFromItsFilesAsIfItHadNotStopped) {
  PartsRun run(parts_config());
  const std::vector<float> start = values_of(run.parameters);
  const std::vector<double> losses = run.train(0);
  EXPECT_LT(losses[2], losses[0]);
  const io::ScratchFolder folder;
  model::save_adapter(folder.path(), run.adapter);
  PartsRun read(folder.path());
  ASSERT_EQ(read.parameters.size(), run.parameters.size());
  for (std::size_t i = 0; i < run.parameters.size(); ++i) {
    EXPECT_EQ(read.parameters[i].name, run.parameters[i].name);
  }
  EXPECT_EQ(values_of(read.parameters), values_of(run.parameters));
  EXPECT_NE(values_of(read.parameters), start);
  run.start();  // as the optimiser's moments are not in the files
  EXPECT_EQ(read.train(3), run.train(3));
  EXPECT_EQ(values_of(read.parameters), values_of(run.parameters));
}

TEST(TrainParts, LeavesTheZerosBetweenThem) {
  const io::ScratchFolder folder;
  PartsRun run(parts_config());
  run.train(0);
  model::save_adapter(folder.path(), run.adapter);
  PartsRun more(folder.path());
  more.train(3);
  model::save_adapter(folder.path(), more.adapter);
  const io::SafetensorsFile file(folder / model::kAdapterWeightsFile);
  const io::TensorView& b = file.at(model::peft_name("transformer.h.1.attn.c_attn", model::kLoraB));
  ASSERT_EQ(b.shape, (std::vector<Index>{108, 6}));
  std::vector<float> values(static_cast<std::size_t>(b.elements()));
  std::memcpy(values.data(), b.bytes.data(), b.bytes.size());
  for (Index row = 0; row < 108; ++row) {
    for (Index col = 0; col < 6; ++col) {
      const bool own = (row < 36 && col < 4) || (row >= 72 && col >= 4);
      EXPECT_EQ(values[static_cast<std::size_t>(6 * row + col)] != 0.0F, own) << row << ", " << col;
    }
  }
}

TEST(TrainParts, XrayLooksAtEachPartsOwnShareOfW) {
  PartsRun run(parts_config());
  const io::ScratchFolder folder;
  LogFile log(folder / "log.jsonl");
  run.train(0);
  Xray xray(3, {}, 1);
  xray.look({.step = 3,
             .total_steps = 3,
             .last = true,
             .adapter = &run.adapter,
             .decoder = run.golden.decoder(),
             .log = log});
  const std::vector<XrayModule>& live = xray.history().at(0).modules;
  ASSERT_EQ(live.size(), 6U);
  model::save_adapter(folder.path(), run.adapter);
  const auto updates = analysis::open_updates(folder.path());
  const analysis::AmplificationReport want =
      analysis::measure_amplification(*updates, run.golden.folder() / "model", {.threads = 1});
  ASSERT_EQ(want.modules.size(), live.size());
  for (const XrayModule& module : live) {
    const auto found = std::find_if(want.modules.begin(), want.modules.end(), [&](const auto& other) {
      return other.info.module == module.figures.module;
    });
    ASSERT_NE(found, want.modules.end()) << module.figures.module;
    EXPECT_EQ(found->info.outputs, module.outputs);
    EXPECT_EQ(found->info.rank, module.rank);
    EXPECT_NEAR(found->delta_norm, module.figures.delta_norm, 1e-5 * found->delta_norm);
    EXPECT_NEAR(found->amplification, module.figures.amplification, 1e-4 * found->amplification);
  }
}

}  // namespace
}  // namespace lorry::train
