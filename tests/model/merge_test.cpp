// Merged folders against PEFT's merge_and_unload.
#include "model/merge.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "io/io_support.hpp"
#include "io/json_file.hpp"
#include "io/tensor_folder.hpp"
#include "model/golden_case.hpp"
#include "model/initialize.hpp"
#include "support/random_matrix.hpp"

namespace lorry::model {
namespace {

using io::get;
using io::put;
using io::ScratchFolder;

/// A tensor of any float type as F32.
Matrix as_f32(const io::TensorView& tensor) {
  const ConstMatrixView view = {tensor.bytes.data(), tensor.shape[0], tensor.shape[1], tensor.shape[1],
                                tensor.dtype};
  Matrix result(view.rows, view.cols);
  for (Index i = 0; i < view.rows; ++i) {
    for (Index j = 0; j < view.cols; ++j) result.row<float>(i)[j] = testing::get(view, i, j);
  }
  return result;
}

/// Bytes of mapped files that are in this process's memory now.
Index resident_file_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssFile:")) return std::stol(line.substr(8)) * 1024;
  }
  return -1;
}

class MergedFamilies : public ::testing::TestWithParam<const char*> {};

TEST_P(MergedFamilies, ChangedWeightsMatchPeftAndTheRestIsByteForByteTheBase) {
  GoldenCase golden(GetParam());
  const std::filesystem::path model = golden.folder() / "model";
  const ScratchFolder scratch;
  Index last = 0;
  Index all = 0;
  merge_adapter(golden.ops(), model, golden.folder() / "adapter", scratch / "merged",
                [&](Index done, Index total) {
                  EXPECT_GE(done, last);
                  last = done;
                  all = total;
                });
  EXPECT_EQ(last, all);
  const io::TensorFolder base(model);
  const io::TensorFolder merged(scratch / "merged");
  EXPECT_EQ(all, base.total_bytes());
  ASSERT_EQ(merged.names(), base.names());
  std::size_t changed = 0;
  for (const std::string& name : base.names()) {
    const io::TensorView& got = merged.at(name);
    const io::TensorView& before = base.at(name);
    ASSERT_EQ(got.dtype, before.dtype) << name;
    ASSERT_EQ(got.shape, before.shape) << name;
    EXPECT_EQ(merged.file_of(name).path().filename(), base.file_of(name).path().filename());
    if (!golden.has("merged." + name)) {
      EXPECT_TRUE(std::equal(got.bytes.begin(), got.bytes.end(), before.bytes.begin(), before.bytes.end()))
          << name;
      continue;
    }
    ++changed;
    const Matrix want = golden.tensor("merged." + name);
    // Half a unit in the last place of the stored type: 8 bits of BF16, 11 of F16.
    const double rounding = got.dtype == DType::kF32 ? 1e-6 : got.dtype == DType::kBF16 ? 0x1p-9 : 0x1p-12;
    EXPECT_LE(relative_difference(as_f32(got), want), rounding) << name;
    EXPECT_GT(relative_difference(as_f32(before), want), 1e-2)
        << name << ": the adapter changes too little to tell";
  }
  EXPECT_EQ(changed, golden.adapter().entries().size());
  for (const char* file : {"config.json", "generation_config.json"}) {
    EXPECT_EQ(get(scratch / "merged" / file), get(model / file));
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, MergedFamilies,
                         ::testing::Values("gpt2", "llama", "llama3", "llama_bf16", "llama_f16",
                                           "llama_linear", "mistral", "qwen2", "qwen3"),
                         [](const auto& test) { return std::string(test.param); });

TEST(Merge, FilesWithoutTheRootNameMergeUnderTheirOwnNames) {
  GoldenCase golden("gpt2", DType::kF32, "model_hub");
  const ScratchFolder scratch;
  merge_adapter(golden.ops(), golden.folder() / "model_hub", golden.folder() / "adapter", scratch / "merged",
                {});
  const io::TensorFolder merged(scratch / "merged");
  EXPECT_EQ(merged.names(), io::TensorFolder(golden.folder() / "model_hub").names());
  const Matrix want = golden.tensor("merged.transformer.h.1.mlp.c_fc.weight");
  EXPECT_LE(relative_difference(as_f32(merged.at("h.1.mlp.c_fc.weight")), want), 1e-6);
}

TEST(Merge, WeightsLargerThanOnePanelInTheMemoryOfOne) {
  ModelConfig config = load_model_config(golden_folder() / "families/llama/model");
  io::Json json = io::read_json_file(golden_folder() / "families/llama/model/config.json");
  json["num_hidden_layers"] = config.num_hidden_layers = 1;
  json["intermediate_size"] = config.intermediate_size = 150'001;  // 18 MiB in float32, in both layouts
  const ScratchFolder scratch;
  std::filesystem::create_directory(scratch / "model");
  std::filesystem::create_directory(scratch / "adapter");
  io::write_json_file(scratch / "model" / "config.json", json);
  write_random_weights(scratch / "model" / "model.safetensors", config, 0.1F, DType::kBF16, 1,
                       [](Index, Index) {});
  const auto ops = ops::make_cpu_ops(1);
  const Weights weights = load_weights(scratch / "model", config);
  Decoder decoder(*ops, config, weights, DType::kF32);
  PeftConfig peft;
  peft.r = 2;
  peft.target_modules = parse_target_modules("up_proj,down_proj");
  Adapter adapter = Adapter::create(peft, decoder, 1);
  for (auto& entry : adapter.entries()) testing::fill_random(entry->update.b_transposed, 3);
  save_adapter(scratch / "adapter", adapter);
  const Index resident = resident_file_bytes();
  ASSERT_GT(resident, 0);
  Index most = 0;
  merge_adapter(*ops, scratch / "model", scratch / "adapter", scratch / "merged",
                [&](Index, Index) { most = std::max(most, resident_file_bytes() - resident); });
  // Each of the three large tensors has 9.6 MB; all else, and what the kernel reads around, is far below
  // half.
  const Index tensor = config.intermediate_size * config.hidden_size * size_of(DType::kBF16);
  EXPECT_LT(most, tensor * 3 / 2);
  const Weights merged = load_weights(scratch / "merged", config);
  for (const auto& entry : adapter.entries()) {
    const ConstMatrixView before = weights.at(entry->module + ".weight").as_dense();
    const ConstMatrixView after = merged.at(entry->module + ".weight").as_dense();
    const nn::LowRankUpdate& update = entry->update;
    for (Index i = 0; i < before.rows; i += std::max<Index>(1, before.rows / 500)) {
      for (Index j = 0; j < before.cols; j += std::max<Index>(1, before.cols / 500)) {
        double want = testing::get(before, i, j);
        for (Index r = 0; r < update.rank; ++r) {
          want += static_cast<double>(update.scale) *
                  static_cast<double>(update.b_transposed.row<float>(r)[i]) *
                  static_cast<double>(update.a.row<float>(r)[j]);
        }
        ASSERT_NEAR(testing::get(after, i, j), want, 1e-6 + 0x1p-8 * std::abs(want))
            << entry->module << " " << i;
      }
    }
  }
}

TEST(Merge, HeadSharedWithTheEmbeddingIsRefusedAndNothingIsLeft) {
  GoldenCase golden("llama3");
  const ScratchFolder scratch;
  std::filesystem::create_directory(scratch / "adapter");
  PeftConfig config;
  config.target_modules = parse_target_modules("lm_head");
  save_adapter(scratch / "adapter", Adapter::create(config, golden.decoder(), 1));
  const std::string error = io::error_of([&] {
    merge_adapter(golden.ops(), golden.folder() / "model", scratch / "adapter", scratch / "merged", {});
  });
  EXPECT_NE(error.find("[merge]"), std::string::npos) << error;
  EXPECT_NE(error.find("lm_head"), std::string::npos) << error;
  EXPECT_EQ(scratch.names(), std::vector<std::string>{"adapter"});
}

TEST(Merge, AUsedFolderIsRefusedAndKept) {
  GoldenCase golden("llama");
  const ScratchFolder scratch;
  std::filesystem::create_directory(scratch / "merged");
  put(scratch / "merged" / "mine.txt", "keep");
  const std::string error = io::error_of([&] {
    merge_adapter(golden.ops(), golden.folder() / "model", golden.folder() / "adapter", scratch / "merged",
                  {});
  });
  EXPECT_NE(error.find("merged"), std::string::npos) << error;
  EXPECT_EQ(get(scratch / "merged" / "mine.txt"), "keep");
  EXPECT_EQ(scratch.names(), std::vector<std::string>{"merged"});
}

TEST(Merge, SumsThatTheTypeCannotHoldAreRefusedAndNothingIsLeft) {
  for (const auto& [family, value] : {std::pair("llama_f16", 1e6F), std::pair("llama", 3e38F)}) {
    GoldenCase golden(family);
    const ScratchFolder scratch;
    std::filesystem::create_directory(scratch / "adapter");
    PeftConfig config;
    config.target_modules = parse_target_modules("down_proj");
    Adapter adapter = Adapter::create(config, golden.decoder(), 1);
    for (auto& entry : adapter.entries()) {
      testing::fill_random(entry->update.a, 1);
      entry->update.b_transposed.row<float>(0)[0] = value;
      entry->update.a.row<float>(0)[0] = 10;
    }
    save_adapter(scratch / "adapter", adapter);
    const std::string error = io::error_of([&] {
      merge_adapter(golden.ops(), golden.folder() / "model", scratch / "adapter", scratch / "merged", {});
    });
    EXPECT_NE(error.find("model.layers.0.mlp.down_proj.weight\": found NaN or infinity"), std::string::npos)
        << family << ": " << error;
    EXPECT_EQ(scratch.names(), std::vector<std::string>{"adapter"});
  }
}

TEST(Merge, AdapterOfAnotherModelLeavesNothing) {
  GoldenCase golden("llama");
  const ScratchFolder scratch;
  const std::filesystem::path other = golden_folder() / "families/qwen3/adapter";
  const std::string error = io::error_of(
      [&] { merge_adapter(golden.ops(), golden.folder() / "model", other, scratch / "merged", {}); });
  EXPECT_NE(error.find("another model"), std::string::npos) << error;
  EXPECT_TRUE(scratch.names().empty());
}

}  // namespace
}  // namespace lorry::model
