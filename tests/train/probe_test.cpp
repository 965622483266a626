// What a predicted step takes into account of what an adapter trains.
#include "train/probe.hpp"

#include <gtest/gtest.h>

#include "train/run_fixture.hpp"
#include "train/run_size.hpp"

namespace lorry::train {
namespace {

class Probe : public Run {
 protected:
  void SetUp() override {
    Run::SetUp();
    options_.lora.target_modules = model::parse_target_modules("q_proj,v_proj");
  }
  [[nodiscard]] RunSize size_of_run() const {
    RunInputs inputs = open_inputs(options_);
    return measure_run(inputs.model, options_);
  }
  /// Of a step of two blocks, and of what follows it. How long it takes is for bench/estimate to compare.
  [[nodiscard]] double seconds() const {
    RunInputs inputs = open_inputs(options_);
    const RunSize size = measure_run(inputs.model, options_);
    StepProbe probe(inputs.model, size, options_, 2);
    return probe.seconds({.rows = 256, .length = 64, .share = 1}, 40) + probe.norm_seconds(40);
  }
};

TEST_F(Probe, TheWorkOfDoraCounts) {
  options_.lora.use_dora = true;
  options_.lora.lora_dropout = 0.1;
  EXPECT_TRUE(size_of_run().dora);
  EXPECT_GT(seconds(), 0);
}

TEST_F(Probe, TheWorkOfModulesToSaveCounts) {
  options_.lora.modules_to_save = {"mlp", "lm_head"};
  const RunSize size = size_of_run();
  EXPECT_EQ(size.copies.size(), 16U);  // three maps in each of five blocks, and the head
  EXPECT_EQ(size.lowest, 0);
  EXPECT_GT(seconds(), 0);
}

TEST_F(Probe, EmbeddingsTrainThroughAllBlocks) {
  options_.lora.filter.layers_to_transform = {3};
  EXPECT_EQ(size_of_run().lowest, 3);
  options_.lora.modules_to_save = {"embed_tokens"};
  EXPECT_EQ(size_of_run().lowest, 0);
  options_.lora.modules_to_save.clear();
  options_.lora.filter = {};
  options_.lora.target_modules = model::parse_target_modules("q_proj,embed_tokens");
  const RunSize size = size_of_run();
  EXPECT_EQ(size.lowest, 0);
  ASSERT_EQ(size.embeddings.size(), 1U);
  EXPECT_EQ(size.embeddings[0].module, "model.embed_tokens");
  EXPECT_EQ(size.embeddings[0].rank, 8);
  EXPECT_GT(seconds(), 0);
}

}  // namespace
}  // namespace lorry::train
