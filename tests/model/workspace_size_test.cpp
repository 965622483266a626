// The workspace's size from shapes, against a workspace that was used.
#include "model/workspace_size.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "io/io_support.hpp"
#include "model/adapter.hpp"
#include "model/full_parameters.hpp"
#include "model/golden_case.hpp"

namespace lorry::model {
namespace {

Index bytes_of(const nn::Linear::Scratch& scratch) {
  return scratch.dropped.bytes() + scratch.dh.bytes() + scratch.dx.bytes();
}

Index bytes_of(const Block::Cache& cache) {
  Index bytes = cache.x_mid.bytes() + cache.attention.qkv.bytes() + cache.attention.qk_raw.bytes() +
                cache.attention.out.bytes() + cache.attention.lse.bytes() +
                cache.attention.output_update.h.bytes() + cache.mlp.gate.bytes() + cache.mlp.up.bytes() +
                cache.mlp.gate_update.h.bytes() + cache.mlp.up_update.h.bytes() +
                cache.mlp.down_update.h.bytes();
  for (const nn::Linear::Cache& update : cache.attention.qkv_update) bytes += update.h.bytes();
  return bytes;
}

/// All of it but the loss head's scratch.
Index activations_of(const Decoder::Workspace& workspace) {
  Index bytes = workspace.inputs.bytes();
  for (const Matrix& d_x : workspace.d_x) bytes += d_x.bytes();
  for (const Block::Cache& cache : workspace.caches) bytes += bytes_of(cache);
  const Block::Scratch& block = workspace.block;
  return bytes + block.normed.bytes() + block.d_normed.bytes() + block.dy.bytes() +
         block.attention.d_out.bytes() + block.attention.d_qkv.bytes() + bytes_of(block.attention.linear) +
         block.mlp.activated.bytes() + block.mlp.d_activated.bytes() + bytes_of(block.mlp.linear);
}

/// The head's, of which the first `rows` of a chunk are written to.
Index logits_of(const nn::LossHead::Scratch& head, Index rows) {
  return (head.x.bytes() + head.logits.bytes() + head.d_logits.bytes() + head.dx.bytes()) /
         head.logits.rows() * rows;
}

/// Expects the same of a pass of `decoder`, whose maps have updates or gradients already; of several batches
/// together, then of an evaluation, with block inputs in a scratch file.
void expect_same(Decoder& decoder, bool grad_checkpoint, Index lowest, Index batches = 1, Index in_file = 0,
                 Index evaluated = 0) {
  GoldenDocument document;
  for (std::int32_t i = 0; i < 40; ++i) {
    document.ids.push_back(i % 20);
    document.targets.push_back(i < 8 ? -1 : i % 20);
  }
  const data::Batch batch = pack({document, document});
  PassShape pass = {.rows = batch.rows(),
                    .targets = 64,
                    .positions = 0,  // the table of angles is the decoder's own
                    .compute = decoder.compute(),
                    .grad_checkpoint = grad_checkpoint,
                    .batches = batches,
                    .dropout = false,
                    .lowest = lowest,
                    .in_file = in_file,
                    .evaluated = evaluated,
                    .ranks = {}};
  for (const nn::Linear* linear : decoder.linears()) {
    Index ranks = 0;
    for (const auto& placed : linear->updates()) ranks += placed.update->rank;
    pass.ranks.push_back(ranks);
  }
  const io::ScratchFolder folder;
  Decoder::Workspace workspace;
  if (in_file > 0) workspace.inputs.use_file(io::ScratchFile(folder.path(), "block inputs"), in_file);
  const std::vector<data::Batch> all(static_cast<std::size_t>(batches), batch);
  const std::vector<PassOptions> options(all.size(), {.grad_checkpoint = grad_checkpoint});
  decoder.losses_and_gradients(all, options, workspace);
  const WorkspaceBytes predicted = workspace_bytes(decoder.config(), pass);
  EXPECT_EQ(predicted.in_file, workspace.inputs.totals().written);
  if (evaluated > 0) {
    decoder.losses(std::vector<data::Batch>(static_cast<std::size_t>(evaluated), batch), workspace);
  }
  EXPECT_EQ(predicted.activations, activations_of(workspace));
  EXPECT_EQ(predicted.logits, logits_of(workspace.head, 64));
}

struct WorkspaceSize : testing::TestWithParam<const char*> {};

TEST_P(WorkspaceSize, IsThatOfATrainingPass) {
  for (const DType compute : {DType::kF32, DType::kBF16}) {
    for (const bool grad_checkpoint : {false, true}) {
      SCOPED_TRACE(fmt::format("{} {}", name_of(compute), grad_checkpoint));
      GoldenCase golden(GetParam(), compute);
      Decoder& decoder = golden.decoder();
      PeftConfig config;
      config.r = 3;
      config.target_modules.pattern = kAllLinear;
      Adapter adapter = Adapter::create(config, decoder, 1);
      static_cast<void>(adapter.parameters());  // makes the gradients
      adapter.attach(decoder);
      expect_same(decoder, grad_checkpoint, 0);
      Adapter::detach(decoder);

      FullParameters full(golden.ops(), decoder.config(), golden.weights(), compute);
      Decoder trained(golden.ops(), decoder.config(), full.weights(), compute);
      full.attach(trained);
      expect_same(trained, grad_checkpoint, 0);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Families, WorkspaceSize, testing::Values("llama", "gpt2", "qwen3"));

TEST(WorkspaceSizeOfTheUpperBlocks, LeavesOutWhatIsBelow) {
  GoldenCase golden("llama");
  Decoder& decoder = golden.decoder();
  ASSERT_EQ(decoder.config().num_hidden_layers, 2);
  PeftConfig config;
  config.r = 2;
  config.target_modules.pattern = R"(.*layers\.1\..*)";
  Adapter adapter = Adapter::create(config, decoder, 1);
  static_cast<void>(adapter.parameters());
  adapter.attach(decoder);
  expect_same(decoder, false, 1);
  expect_same(decoder, true, 1, 3);
  expect_same(decoder, true, 1, 3, 1);
}

TEST(WorkspaceSizeOfSeveralBatches, LeavesOutWhatIsInAScratchFile) {
  GoldenCase golden("llama");
  Decoder& decoder = golden.decoder();
  PeftConfig config;
  config.r = 2;
  config.target_modules.pattern = kAllLinear;
  Adapter adapter = Adapter::create(config, decoder, 1);
  static_cast<void>(adapter.parameters());
  adapter.attach(decoder);
  for (const Index in_file : {0, 1, 2}) {
    expect_same(decoder, true, 0, 4, in_file);
    expect_same(decoder, true, 0, 4, in_file, 3);
    expect_same(decoder, true, 0, 4, in_file, 8);
  }
}

}  // namespace
}  // namespace lorry::model
