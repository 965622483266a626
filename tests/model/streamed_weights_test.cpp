// Weights read from their file while passes compute give the bits of weights that are all there.
#include <gtest/gtest.h>
#include <chrono>

#include <algorithm>
#include <chrono>
#include <fstream>

#include "core/error.hpp"
#include "io/io_support.hpp"
#include "model/golden_case.hpp"
#include "optim/parameter.hpp"
#include "support/random_matrix.hpp"

namespace lorry::model {
namespace {

/// A golden model on a decoder of its own whose blocks and head are streamed with room for `parts` of them;
/// 0: all there.
struct StreamedCase {
  explicit StreamedCase(const std::string& name, Index parts,
                        std::optional<io::StreamedFile::Reading> reading = std::nullopt)
      : config(load_model_config(golden_folder() / "families" / name / "model")),
        weights(load_weights(golden_folder() / "families" / name / "model", config)),
        ops(ops::make_cpu_ops(1)) {
    if (parts > 0) weights.stream(config, parts * weights.part_bytes(config).front(), reading);
    decoder = std::make_unique<Decoder>(*ops, config, weights, DType::kF32);
    adapter =
        std::make_unique<Adapter>(load_adapter(golden_folder() / "families" / name / "adapter", *decoder));
    adapter->attach(*decoder);
  }

  ModelConfig config;
  Weights weights;
  std::unique_ptr<ops::Ops> ops;
  std::unique_ptr<Decoder> decoder;
  std::unique_ptr<Adapter> adapter;
};

std::vector<data::Batch> batches_of(const std::string& name) {
  GoldenCase golden(name);
  return {pack({golden.document(0)}), pack({golden.document(1), golden.document(2)}),
          pack({golden.document(2)})};
}

/// Losses of the batches one after the other or together, then all gradients; with so many block inputs in a
/// scratch file.
std::vector<double> numbers_of(StreamedCase& run, const std::vector<data::Batch>& batches, bool together,
                               Index in_file = 0) {
  const io::ScratchFolder folder;
  Decoder::Workspace workspace;
  if (in_file > 0) workspace.inputs.use_file(io::ScratchFile(folder.path(), "block inputs"), in_file);
  const std::vector<optim::Parameter> parameters = run.adapter->parameters();  // makes the gradients
  std::vector<PassOptions> options;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    options.push_back({.gradient_scale = 0.01F, .dropout_seed = 3, .micro_step = i});
  }
  std::vector<double> numbers;
  for (int step = 0; step < 2; ++step) {
    run.adapter->zero_gradients();
    if (together) {
      numbers = run.decoder->losses_and_gradients(batches, options, workspace);
    } else {
      numbers.clear();
      for (std::size_t i = 0; i < batches.size(); ++i) {
        numbers.push_back(run.decoder->loss_and_gradient(batches[i], options[i], workspace));
      }
    }
    const std::vector<double> losses = run.decoder->losses(batches, workspace);
    numbers.insert(numbers.end(), losses.begin(), losses.end());
  }
  for (const optim::Parameter& parameter : parameters) {
    const ConstMatrixView gradient = parameter.gradient;
    for (Index i = 0; i < gradient.rows; ++i) {
      numbers.insert(numbers.end(), gradient.row<float>(i), gradient.row<float>(i) + gradient.cols);
    }
  }
  return numbers;
}

class Streamed : public ::testing::TestWithParam<const char*> {};

TEST_P(Streamed, PassesGiveTheBitsOfWeightsThatAreThere) {
  const std::vector<data::Batch> batches = batches_of(GetParam());
  StreamedCase there(GetParam(), 0);
  const std::vector<double> want = numbers_of(there, batches, false);
  EXPECT_EQ(numbers_of(there, batches, true), want);
  using Reading = io::StreamedFile::Reading;
  for (const auto& [parts, reading] : {std::pair(1, Reading::kCached), std::pair(2, Reading::kCached),
                                       std::pair(2, Reading::kDirect), std::pair(100, Reading::kDirect)}) {
    StreamedCase streamed(GetParam(), parts, reading);
    ASSERT_TRUE(streamed.decoder->streams());
    EXPECT_EQ(numbers_of(streamed, batches, true), want) << parts;
    EXPECT_GT(streamed.weights.stream()->totals().bytes, 0);
    for (const Index in_file : {1, 2}) {
      EXPECT_EQ(numbers_of(streamed, batches, true, in_file), want) << parts << " " << in_file;
    }
  }
}

TEST_P(Streamed, GenerationGivesTheSameLogits) {
  const std::vector<std::int32_t> ids = {5, 9, 3, 7};
  const auto logits = [&](Index parts) {
    StreamedCase run(GetParam(), parts);
    Decoder::Generation generation = run.decoder->start_generation(8, 1);
    std::vector<float> all;
    for (const std::int32_t id : ids) {
      const std::span<const float> last = run.decoder->extend(generation, std::span(&id, 1));
      all.insert(all.end(), last.begin(), last.end());
    }
    return all;
  };
  EXPECT_EQ(logits(1), logits(0));
}

INSTANTIATE_TEST_SUITE_P(Cases, Streamed, ::testing::Values("llama", "gpt2", "qwen3"),
                         [](const auto& one) { return std::string(one.param); });

StreamPart part_of(const io::StreamedFile& file, Index offset, Index bytes) {
  auto memory = std::make_shared<io::PageArena>(bytes);
  return {.name = std::to_string(offset),
          .ranges = {{&file, offset, {memory->data(), static_cast<std::size_t>(bytes)}}},
          .memory = memory};
}

TEST(WeightStream, AStepThatTurnsRoundReadsOnlyWhatTheBudgetDoesNotHold) {
  const io::ScratchFolder folder;
  constexpr Index kBytes = 1 << 16;
  constexpr Index kParts = 6;
  std::string text;
  for (Index i = 0; i < kParts; ++i) text += std::string(kBytes, static_cast<char>('a' + i));
  io::put(folder / "weights", text);
  const auto file = std::make_shared<const io::StreamedFile>(folder / "weights");
  std::vector<StreamPart> parts;
  for (Index i = 0; i < kParts; ++i) parts.push_back(part_of(*file, i * kBytes, kBytes));
  const std::vector<Index> order = {0, 1, 2, 3, 4, 5, 4, 3, 2, 1, 0};
  WeightStream stream({file}, std::move(parts), 3 * kBytes);
  stream.start_pass(order);
  for (int step = 0; step < 3; ++step) {
    for (const Index part : order) {
      stream.visit(part);
      const StreamPart& there = stream.parts()[static_cast<std::size_t>(part)];
      for (const Index at : {Index{0}, Index{5000}, kBytes - 1}) {
        ASSERT_EQ(static_cast<char>(there.memory->data()[at]), static_cast<char>('a' + part)) << at;
      }
    }
  }
  // Of six parts, three stay at each turn: three more each way, and the first three once.
  EXPECT_LE(stream.totals().bytes, (3 + 3 * 6 + 1) * kBytes);
}

TEST(WeightStream, AFileThatIsShortenedIsAnError) {
  const io::ScratchFolder folder;
  io::put(folder / "weights", std::string(1 << 16, 'w'));
  const auto file = std::make_shared<const io::StreamedFile>(folder / "weights");
  WeightStream stream({file}, {part_of(*file, 0, 1 << 16)}, 1 << 16);
  std::filesystem::resize_file(folder / "weights", 1 << 12);
  stream.start_pass({0});
  try {
    stream.visit(0);
    FAIL() << "read what is not there";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("shortened"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("found 4096 bytes; expected 65536"), std::string::npos)
        << error.what();
  }
}

TEST(WeightStream, AFileThatIsWrittenToIsAnError) {
  const io::ScratchFolder folder;
  const std::filesystem::path path = folder / "weights";
  io::put(path, std::string(1 << 16, 'w'));
  const auto file = std::make_shared<const io::StreamedFile>(path);
  WeightStream stream({file}, {part_of(*file, 0, 1 << 15), part_of(*file, 1 << 15, 1 << 15)}, 1 << 15);
  stream.start_pass({0});
  stream.visit(0);
  const auto before = std::filesystem::last_write_time(path);
  io::put(path, std::string(1 << 16, 'x'));
  std::filesystem::last_write_time(path, before + std::chrono::seconds(1));  // clocks of files may be coarse
  stream.start_pass({1});
  try {
    stream.visit(1);
    FAIL() << "read other weights";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("changed while in use"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace lorry::model
