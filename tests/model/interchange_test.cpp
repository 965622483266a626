// Adapters and merged folders as Lorry writes them. They are left in BUILD/interchange for
// scripts/golden/check_interchange.py, which reads them with PEFT and transformers.
#include <gtest/gtest.h>

#include <algorithm>

#include "io/io_support.hpp"
#include "io/safetensors_writer.hpp"
#include "model/golden_case.hpp"
#include "model/merge.hpp"
#include "optim/optimizer.hpp"
#include "support/random_matrix.hpp"

namespace lorry::model {
namespace {

/// "gpt2" or, for another adapter of that case, "gpt2.something".
class Interchange : public ::testing::TestWithParam<const char*> {
 protected:
  std::filesystem::path folder() const {
    return std::filesystem::path(LORRY_BUILD_DIR) / "interchange" / GetParam();
  }
};

std::string case_of(const std::string& name) {
  return name.substr(0, name.find('.'));
}

/// The first ranks of each update, another number for each, as a compressed adapter has them.
Adapter shortened(const Adapter& from) {
  Adapter to(from.config());
  Index rank = 0;
  for (const auto& entry : from.entries()) {
    const nn::LowRankUpdate& update = entry->update;
    rank = rank % update.rank + 1;
    Matrix a(rank, update.a.cols());
    Matrix b(rank, update.b_transposed.cols());
    std::copy_n(update.a.row<float>(0), a.size(), a.row<float>(0));
    std::copy_n(update.b_transposed.row<float>(0), b.size(), b.row<float>(0));
    to.add(entry->module, std::move(a), std::move(b), update.scale * (rank == 2 ? 1.3F : 1.0F));
  }
  return to;
}

/// An adapter made and trained by Lorry, with the settings of the case's own; llama's and qwen2's targets as
/// a user would type them.
Adapter train_adapter(GoldenCase& golden, std::string_view name) {
  PeftConfig config = load_peft_config(golden.folder() / "adapter");
  if (name == "llama.patterns") {
    config.target_modules = parse_target_modules(kAllLinear);
    config.rank_pattern = {{"v_proj", 2}, {R"(layers\.1\..*)", 5}, {"down_proj", 1}};
    config.alpha_pattern = {{"mlp.*", 9.5}};
  }
  if (name == "llama" || name == "qwen2") config.target_modules = parse_target_modules(kAllLinear);
  if (name.starts_with("gpt2.parts")) {
    config.target_modules = parse_target_modules("q_proj,c_attn.v,mlp.c_proj");
    config.rank_pattern = {{"v_proj", 2}};  // twice the scale, which the file folds into B
    if (name == "gpt2.parts_alike") config.alpha_pattern = {{"v_proj", 4}};
  }
  if (name.ends_with("beside")) {
    const bool parts = name.starts_with("gpt2");
    if (!parts) config.target_modules = parse_target_modules("q_proj,o_proj");
    config.lora_bias = parts;
    config.bias = parts ? BiasTraining::kAll : BiasTraining::kLoraOnly;
    config.modules_to_save = {parts ? "mlp.c_fc" : "norm"};
  }
  if (name == "mistral") config.init_lora_weights = LoraInit::kGaussian;
  Adapter adapter = Adapter::create(config, golden.decoder(), 7);
  optim::Optimizer optimizer(golden.ops(), adapter.parameters(), {});
  adapter.attach(golden.decoder());
  Decoder::Workspace workspace;
  for (Index step = 0; step < 10; ++step) {
    const data::Batch batch = pack(golden.training_documents(step));
    adapter.zero_gradients();
    golden.decoder().loss_and_gradient(batch, {.gradient_scale = 0.02F}, workspace);
    optimizer.step(2e-2);
  }
  if (!name.ends_with(".ranks")) return adapter;
  Adapter ranks = shortened(adapter);
  ranks.attach(golden.decoder());
  return ranks;
}

std::vector<Matrix> logits_of(GoldenCase& golden, Decoder& decoder) {
  Decoder::Workspace workspace;
  std::vector<Matrix> all;
  for (Index i = 0; i < 3; ++i) {
    const data::Batch batch = pack({golden.document(i)});
    all.emplace_back(batch.rows(), decoder.config().vocab_size);
    decoder.logits(batch, workspace, all.back());
  }
  return all;
}

void write_logits(const std::filesystem::path& file, const std::vector<Matrix>& logits) {
  const auto name = [](std::size_t i) { return "document." + std::to_string(i) + ".logits"; };
  std::vector<io::TensorSpec> specs;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    specs.push_back({name(i), DType::kF32, {logits[i].rows(), logits[i].cols()}});
  }
  io::SafetensorsWriter writer(file, specs);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    writer.write(name(i), {logits[i].view().data, static_cast<std::size_t>(logits[i].bytes())});
  }
  writer.finish();
}

TEST_P(Interchange, AdapterComesBackBitForBitAndMergesToTheSameLogits) {
  GoldenCase golden(case_of(GetParam()));
  std::filesystem::remove_all(folder());
  std::filesystem::create_directories(folder() / "adapter");
  const std::vector<Matrix> base = logits_of(golden, golden.decoder());
  const Adapter adapter = train_adapter(golden, GetParam());
  const std::vector<Matrix> logits = logits_of(golden, golden.decoder());
  save_adapter(folder() / "adapter", adapter);
  write_logits(folder() / "logits.safetensors", logits);

  const Adapter read = load_adapter(folder() / "adapter", golden.decoder());
  ASSERT_EQ(read.entries().size(), adapter.entries().size());
  for (std::size_t i = 0; i < adapter.entries().size(); ++i) {
    EXPECT_EQ(read.entries()[i]->module, adapter.entries()[i]->module);
    EXPECT_EQ(read.entries()[i]->part, adapter.entries()[i]->part);
    const nn::LowRankUpdate& got = read.entries()[i]->update;
    const nn::LowRankUpdate& want = adapter.entries()[i]->update;
    EXPECT_EQ(got.scale, want.scale);
    EXPECT_TRUE(testing::same_bits(got.a, want.a));
    EXPECT_TRUE(testing::same_bits(got.b_transposed, want.b_transposed));
    EXPECT_EQ(got.bias.empty(), want.bias.empty());
    if (!want.bias.empty()) {
      EXPECT_TRUE(testing::same_bits(got.bias, want.bias));
    }
  }
  ASSERT_EQ(read.copies().entries().size(), adapter.copies().entries().size());
  for (std::size_t i = 0; i < adapter.copies().entries().size(); ++i) {
    const TrainedCopies::Entry& want = adapter.copies().entries()[i];
    EXPECT_EQ(read.copies().entries()[i].spec.file_name, want.spec.file_name);
    EXPECT_TRUE(testing::same_bits(read.copies().entries()[i].value, want.value));
  }

  merge_adapter(golden.ops(), golden.folder() / "model", folder() / "adapter", folder() / "merged", {});
  const Weights weights = load_weights(folder() / "merged", golden.decoder().config());
  Decoder merged(golden.ops(), golden.decoder().config(), weights, DType::kF32);
  const std::vector<Matrix> merged_logits = logits_of(golden, merged);
  const bool rounded =
      !golden.weights().at(golden.decoder().linears()[0]->name() + ".weight").is(DType::kF32);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    EXPECT_GT(relative_difference(logits[i], base[i]), 0.01);  // else all of this shows nothing
    EXPECT_LE(relative_difference(merged_logits[i], logits[i]), rounded ? 1e-2 : 1e-5);
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, Interchange,
                         ::testing::Values("gpt2", "gpt2.parts_beside", "gpt2.parts", "gpt2.parts_alike",
                                           "gpt2.ranks", "llama", "llama.patterns", "llama3", "llama_bf16",
                                           "llama_f16", "llama_linear", "mistral", "qwen2", "qwen2.beside",
                                           "qwen3"),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

}  // namespace
}  // namespace lorry::model
