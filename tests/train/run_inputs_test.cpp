// Several runs on the same inputs: each as if it were alone.
#include "train/run_inputs.hpp"

#include <cmath>

#include "train/run_fixture.hpp"

namespace lorry::train {
namespace {

constexpr const char* kAdapter = "adapter_model.safetensors";
constexpr const char* kModel = "model.safetensors";

TEST_F(Run, OnSharedInputsGivesTheBytesOfSeparateRuns) {
  options_.lora.lora_dropout = 0.1;
  const auto alone = [&](Method method, const char* file) {
    options_.method = method;
    options_.out = folder_ / ("alone " + std::string(file));
    run_training(options_, {});
    return get(options_.out / file);
  };
  const std::string adapter = alone(Method::kLora, kAdapter);
  const std::string weights = alone(Method::kFull, kModel);

  RunInputs inputs = open_inputs(options_);
  const auto shared = [&](const char* out, Method method, const char* file) {
    options_.method = method;
    options_.out = folder_ / out;
    run_on(inputs, options_, {});
    return get(options_.out / file);
  };
  EXPECT_EQ(shared("first", Method::kLora, kAdapter), adapter);
  EXPECT_EQ(shared("second", Method::kFull, kModel), weights);
  EXPECT_EQ(shared("third", Method::kLora, kAdapter), adapter);
  options_.lora.target_modules = model::parse_target_modules("q_proj");
  EXPECT_NE(shared("fourth", Method::kLora, kAdapter), adapter);
  EXPECT_EQ(shared("fifth", Method::kFull, kModel), weights);
}

TEST_F(Run, OnSharedInputsLeavesThemAsTheyWere) {
  RunInputs inputs = open_inputs(options_);
  const auto loss = [&] {
    model::Decoder::Workspace workspace;
    return evaluate(*inputs.model.decoder, inputs.eval_data->documents, inputs.max_seq_length, workspace)
        .loss;
  };
  const double before = loss();
  const auto expect_as_before = [&] {
    EXPECT_EQ(loss(), before);
    EXPECT_EQ(inputs.model.adapter, nullptr);
    for (const nn::Linear* linear : inputs.model.decoder->linears()) {
      EXPECT_TRUE(linear->updates().empty());
      EXPECT_FALSE(linear->trains());
    }
  };
  run_on(inputs, options_, {});
  expect_as_before();
  for (const Method method : {Method::kLora, Method::kFull}) {  // ended by a step that cannot be computed
    options_.method = method;
    options_.lr = 1e30;
    options_.max_grad_norm = 0;
    options_.out = folder_ / (method == Method::kLora ? "lora" : "full");
    EXPECT_NE(io::error_of([&] { run_on(inputs, options_, {}); }).find("finite"), std::string::npos);
    expect_as_before();
  }
}

TEST_F(Run, OnSharedInputsFromAnAdapter) {
  RunInputs inputs = open_inputs(options_);
  const RunResult first = run_on(inputs, options_, {});
  options_.adapter = options_.out;
  options_.out = folder_ / "more";
  EXPECT_EQ(run_on(inputs, options_, {}).first_evaluation->loss, first.last_evaluation->loss);
}

TEST_F(Run, MonitorSeesTheAdapterOfEachStepAndAddsToTheLog) {
  std::vector<Index> steps;
  std::vector<double> sizes;  // of B, over all modules
  const auto monitor = [&](const LiveRun& run) {
    EXPECT_EQ(run.total_steps, 6);
    steps.push_back(run.step);
    double sum = 0;
    for (const auto& entry : run.adapter->entries()) {
      const nn::Linear* linear = run.decoder.find_linear(entry->module);
      ASSERT_NE(linear, nullptr);
      ASSERT_EQ(linear->updates().size(), 1U);
      EXPECT_EQ(linear->updates()[0].update, &entry->update);
      sum += run.decoder.ops().sum_of_squares(entry->update.b_transposed);
    }
    sizes.push_back(sum);
    run.log.write({{"step", run.step}, {"size_b", sum}});
  };
  run_training(options_, {.monitor = monitor});
  EXPECT_EQ(steps, (std::vector<Index>{0, 1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(sizes[0], 0.0);
  EXPECT_GT(sizes[1], 0.0);
  EXPECT_NE(sizes[2], sizes[1]);
  const std::vector<io::Json> lines = log();
  ASSERT_EQ(lines.size(), 7U + 6U + 3U);
  EXPECT_EQ(lines[1], (io::Json{{"step", 0}, {"size_b", 0.0}}));
  EXPECT_TRUE(lines[2].contains("loss"));
  EXPECT_EQ(lines[3], (io::Json{{"step", 1}, {"size_b", sizes[1]}}));

  // What it saw last is what was saved; and watching changes nothing.
  const std::string watched = get(options_.out / kAdapter);
  options_.out = folder_ / "unwatched";
  run_training(options_, {});
  EXPECT_EQ(get(options_.out / kAdapter), watched);
  options_.out = folder_ / "full";
  options_.method = Method::kFull;
  run_training(options_,
               {.on_start = {}, .on_step = {}, .on_evaluation = {}, .monitor = [](const LiveRun& run) {
                  EXPECT_EQ(run.adapter, nullptr);
                }});
}

}  // namespace
}  // namespace lorry::train
