// That training learns, and that it does so alike on any number of threads.
#include <gtest/gtest.h>

#include "data/packing.hpp"
#include "generate/generator.hpp"
#include "io/io_support.hpp"
#include "model/full_parameters.hpp"
#include "model/initialize.hpp"
#include "train/golden_trainer.hpp"

namespace lorry::train {
namespace {

/// Counting: each token is the one before plus 7, modulo 29.
data::Document counting(std::int32_t first, Index length) {
  data::Document document{.ids = {first}, .targets_from = 1};
  while (document.size() < length) document.ids.push_back((document.ids.back() + 7) % 29);
  return document;
}

data::Batch counting_batch(Index step) {
  std::vector<data::Document> documents;
  std::vector<data::Sequence> sequences;
  for (Index i = 0; i < 4; ++i) {
    documents.push_back(counting(static_cast<std::int32_t>((step * 11 + i * 5) % 29), 12));
    sequences.push_back({i});
  }
  return data::make_batch(documents, sequences, 1);
}

/// A fresh adapter of rank 8 on every map of a random model, the head too, without which a random head sets
/// the limit.
struct FreshRun {
  explicit FreshRun(const std::string& name) : golden(name), adapter(make(golden)) {
    adapter.attach(golden.decoder());
    trainer = std::make_unique<Trainer>(golden.decoder(), trainable_of(adapter, adapter.parameters()),
                                        constant_rate(1e-2F));
  }
  static model::Adapter make(model::GoldenCase& golden) {
    model::PeftConfig config;
    config.lora_alpha = 16;
    config.target_modules.pattern = ".*";
    return model::Adapter::create(config, golden.decoder(), 1);
  }

  model::GoldenCase golden;
  model::Adapter adapter;
  std::unique_ptr<Trainer> trainer;
};

TEST(Learning, OneBatchIsLearntByHeart) {
  FreshRun run("llama");
  const data::Batch batch =
      model::pack(run.golden.training_documents(0));  // random tokens: only memory helps
  double loss = run.trainer->step({batch}).loss;
  EXPECT_GT(loss, 4.0);
  for (Index step = 0; step < 80; ++step) loss = run.trainer->step({batch}).loss;
  EXPECT_LT(loss, 0.05);
}

TEST(Learning, AnAdapterLearnsToCountAndThenCounts) {
  FreshRun run("qwen2");
  double loss = 0;
  Index step = 0;
  for (; step < 80 && (step == 0 || loss > 0.02); ++step)
    loss = run.trainer->step({counting_batch(step)}).loss;
  EXPECT_LE(loss, 0.02) << "after " << step << " steps";
  const data::Document want = counting(17, 13);
  const std::vector<std::int32_t> prompt(want.ids.begin(), want.ids.begin() + 3);
  const generate::GenerationOptions options = {.max_new_tokens = 10, .sampler = {}, .stop_ids = {}};
  EXPECT_EQ(generate::generate(run.golden.decoder(), prompt, options).ids,
            std::vector<std::int32_t>(want.ids.begin() + 3, want.ids.end()));
}

TEST(Learning, AllWeightsLearnToCountFromARandomStart) {
  for (const DType compute : {DType::kF32, DType::kBF16}) {
    const model::ModelConfig config =
        model::load_model_config(model::golden_folder() / "families/llama3/model");
    const io::ScratchFolder folder;
    model::write_random_weights(folder / "model.safetensors", config, 0.05F, DType::kF32, 3,
                                [](Index, Index) {});
    const auto ops = ops::make_cpu_ops(1);
    model::FullParameters full(*ops, config, model::load_weights(folder.path(), config), compute);
    model::Decoder decoder(*ops, config, full.weights(), compute);
    full.attach(decoder);
    Trainer trainer(decoder,
                    {.parameters = full.parameters(),
                     .zero_gradients = [&] { full.zero_gradients(); },
                     .after_update = [&] { full.refresh(); }},
                    constant_rate(1e-2F));
    double loss = trainer.step({counting_batch(0)}).loss;
    EXPECT_NEAR(loss, std::log(101.0), 0.3);  // it knows nothing yet
    Index step = 1;
    for (; step < 80 && loss > 0.02; ++step) loss = trainer.step({counting_batch(step)}).loss;
    EXPECT_LE(loss, 0.02) << name_of(compute) << " after " << step << " steps";
  }
}

/// A random model wide enough that every kernel divides its work.
class WideRun {
 public:
  WideRun() {
    config_ = model::load_model_config(model::golden_folder() / "families/qwen3/model");
    config_.vocab_size = 1000;
    config_.hidden_size = 192;
    config_.intermediate_size = 448;
    config_.num_hidden_layers = 2;
    config_.head_dim = 48;
    model::write_random_weights(folder_ / "model.safetensors", config_, 0.05F, DType::kBF16, 3,
                                [](Index, Index) {});
  }

  /// Parameters after two steps of two micro-batches.
  std::vector<float> train(Index threads, DType compute) {
    const auto ops = ops::make_cpu_ops(threads);
    const model::Weights weights = model::load_weights(folder_.path(), config_);
    model::Decoder decoder(*ops, config_, weights, compute);
    model::PeftConfig lora;
    lora.lora_dropout = 0.1F;
    lora.target_modules = model::parse_target_modules("all-linear");
    model::Adapter adapter = model::Adapter::create(lora, decoder, 1);
    adapter.attach(decoder);
    TrainerConfig config = constant_rate(1e-2F);
    config.max_grad_norm = 1.0F;
    const std::vector<optim::Parameter> parameters = adapter.parameters();
    Trainer trainer(decoder, trainable_of(adapter, parameters), config);
    for (Index step = 0; step < 2; ++step) trainer.step({batch(2 * step), batch(2 * step + 1)});
    return values_of(parameters);
  }

 private:
  [[nodiscard]] data::Batch batch(Index number) const {
    std::vector<data::Document> documents;
    for (const Index length : {120, 7, 129}) {
      data::Document document{.ids = {}, .targets_from = 3};
      for (Index t = 0; t < length; ++t) {
        document.ids.push_back(
            static_cast<std::int32_t>((t * t * 31 + number * 17 + length) % config_.vocab_size));
      }
      documents.push_back(std::move(document));
    }
    return data::make_batch(documents, std::vector<data::Sequence>{{0, 1, 2}}, 32);
  }

  io::ScratchFolder folder_;
  model::ModelConfig config_;
};

TEST(Learning, ThreadsDoNotChangeABit) {
  WideRun run;
  for (const DType compute : {DType::kF32, DType::kBF16}) {
    const std::vector<float> one = run.train(1, compute);
    EXPECT_EQ(run.train(1, compute), one) << name_of(compute) << ": not even the same run twice";
    for (const Index threads : {2, 3})
      EXPECT_EQ(run.train(threads, compute), one) << name_of(compute) << threads;
  }
}

}  // namespace
}  // namespace lorry::train
