// Merging into folders that bitsandbytes quantised, out of them, and quantising while merging: against PEFT,
// and what the report says against what the files hold.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "io/io_support.hpp"
#include "io/json_file.hpp"
#include "io/tensor_folder.hpp"
#include "model/golden_case.hpp"
#include "model/merge.hpp"
#include "model/merged_loss.hpp"
#include "model/quantize.hpp"

namespace lorry::model {
namespace {

std::filesystem::path quantized_golden(const std::string& name) {
  return golden_folder() / "quantized" / name;
}

/// A base, the adapter of its family, and both opened.
struct QuantizedBase {
  QuantizedBase(const std::string& family, const std::string& format)
      : model(quantized_golden(family + "/" + format)),
        adapter(quantized_golden("merged/" + family + "/adapter")),
        ops(ops::make_cpu_ops(1)),
        config(load_model_config(model)),
        weights(load_weights(model, config)),
        decoder(*ops, config, weights, DType::kF32),
        updates(load_adapter(adapter, decoder, PartsAs::kStacked)) {}

  std::filesystem::path model;
  std::filesystem::path adapter;
  std::unique_ptr<ops::Ops> ops;
  ModelConfig config;
  Weights weights;
  Decoder decoder;
  Adapter updates;
};

struct MergedFormat {
  const char* family;
  const char* format;
};

class MergeQuantized : public ::testing::TestWithParam<MergedFormat> {};

INSTANTIATE_TEST_SUITE_P(All, MergeQuantized,
                         ::testing::Values(MergedFormat{"llama", "nf4"}, MergedFormat{"llama", "nf4_double"},
                                           MergedFormat{"llama", "int8"}, MergedFormat{"gpt2", "nf4"},
                                           MergedFormat{"gpt2", "nf4_double"}, MergedFormat{"gpt2", "int8"}),
                         [](const auto& test) {
                           return std::string(test.param.family) + "_" + test.param.format;
                         });

TEST_P(MergeQuantized, IsWhatPeftMakesAndTheRestIsTheBaseByteForByte) {
  const auto [family, format] = GetParam();
  QuantizedBase base(family, format);
  const io::ScratchFolder scratch;
  const MergeReport report =
      merge_adapter(*base.ops, base.model, base.adapter, scratch / "merged", {}, {.threads = 2});
  const ModelConfig config = load_model_config(scratch / "merged");
  const Weights merged = load_weights(scratch / "merged", config);
  const io::SafetensorsFile reference(
      quantized_golden(std::string("merged/") + family + "/" + format + ".safetensors"));
  ASSERT_EQ(report.adapted.size(), base.updates.entries().size());
  for (const auto& entry : base.updates.entries()) {
    const std::string name = entry->module + ".weight";
    const Matrix got = read_matrix(merged, name);
    const Matrix before = read_matrix(base.weights, name);
    const io::TensorView& stored = reference.at("values." + name);
    const ConstMatrixView want = {stored.bytes.data(), got.rows(), got.cols(), got.cols(), DType::kF32};
    Index other = 0;  // where the sums, rounded in another order, lie on two sides of a middle
    for (Index i = 0; i < got.size(); ++i) {
      const float wanted = want.row<float>(0)[i];
      other += std::abs(got.row<float>(0)[i] - wanted) > 1e-5F * std::abs(wanted) + 1e-7F ? 1 : 0;
    }
    EXPECT_LE(other, 3) << name;
    EXPECT_LE(relative_difference(got, want), 2e-3) << name;
    EXPECT_GT(relative_difference(before, want), 0.1) << name << ": changes too little to tell";
    const auto told = std::find_if(report.adapted.begin(), report.adapted.end(),
                                   [&](const MergedTensor& tensor) { return tensor.name == name; });
    ASSERT_NE(told, report.adapted.end()) << name;
    EXPECT_EQ(told->type, std::string(format) == "int8" ? "INT8" : "NF4");
    expect_same_loss(told->loss, loss_between(before, got, update_of(entry->update)), name);
  }
  const io::TensorFolder old_files(base.model);
  const io::TensorFolder new_files(scratch / "merged");
  ASSERT_EQ(new_files.names(), old_files.names());
  EXPECT_EQ(report.bytes, new_files.total_bytes());
  for (const std::string& name : old_files.names()) {
    const bool adapted =
        std::any_of(base.updates.entries().begin(), base.updates.entries().end(),
                    [&](const auto& entry) { return name.starts_with(entry->module + "."); });
    EXPECT_EQ(new_files.at(name).dtype, old_files.at(name).dtype) << name;
    EXPECT_TRUE(adapted || same_bytes(new_files.at(name).bytes, old_files.at(name).bytes)) << name;
  }
  EXPECT_EQ(io::get(scratch / "merged" / "config.json"), io::get(base.model / "config.json"));
}

TEST_P(MergeQuantized, DequantizedItIsThePlainSumInThePlainLayout) {
  const auto [family, format] = GetParam();
  QuantizedBase base(family, format);
  const io::ScratchFolder scratch;
  const MergeReport report =
      merge_adapter(*base.ops, base.model, base.adapter, scratch / "merged", {}, {.dequantize = true});
  const ModelConfig config = load_model_config(scratch / "merged");
  EXPECT_EQ(config.conv1d, std::string(family) == "gpt2");
  const Weights merged = load_weights(scratch / "merged", config);
  const io::TensorFolder files(scratch / "merged");
  EXPECT_EQ(files.names(), io::TensorFolder(quantized_golden(std::string(family) + "/dense")).names());
  for (const TensorSpec& spec : list_tensors(base.config)) {
    if (!base.weights.at(spec.name).is_packed()) continue;
    EXPECT_EQ(find_tensor(files, config, spec.name)->dtype, DType::kBF16) << spec.name;
    const Matrix before = read_matrix(base.weights, spec.name);
    const Matrix stored = read_matrix(merged, spec.name);
    const Matrix after = config.conv1d ? transposed(stored) : transposed(transposed(stored));
    const auto entry = std::find_if(base.updates.entries().begin(), base.updates.entries().end(),
                                    [&](const auto& one) { return one->module == spec.module(); });
    const std::vector<double> delta = entry != base.updates.entries().end()
                                          ? update_of((*entry)->update)
                                          : std::vector<double>(static_cast<std::size_t>(before.size()));
    const QuantLoss loss = loss_between(before, after, delta);
    EXPECT_LE(loss.relative(), 0x1p-9) << spec.name;  // half a unit in the last place of BF16
    if (entry == base.updates.entries().end()) continue;
    const auto told = std::find_if(report.adapted.begin(), report.adapted.end(),
                                   [&](const MergedTensor& tensor) { return tensor.name == spec.name; });
    ASSERT_NE(told, report.adapted.end()) << spec.name;
    EXPECT_EQ(told->type, "BF16");
    expect_same_loss(told->loss, loss, spec.name);
  }
}

/// A plain base merged and quantised at once.
class MergeAndQuantize : public ::testing::TestWithParam<MergedFormat> {};

INSTANTIATE_TEST_SUITE_P(All, MergeAndQuantize,
                         ::testing::Values(MergedFormat{"llama", "nf4"}, MergedFormat{"gpt2", "nf4_double"},
                                           MergedFormat{"gpt2", "int8"}),
                         [](const auto& test) {
                           return std::string(test.param.family) + "_" + test.param.format;
                         });

TEST_P(MergeAndQuantize, WhatTheAdapterLeavesIsWhatQuantizeWritesAndTheRestIsTheSumQuantised) {
  const auto [family, format] = GetParam();
  QuantizedBase base(family, "dense");
  const io::ScratchFolder scratch;
  const BnbOptions options{.format = std::string(format) == "int8" ? BnbFormat::kInt8 : BnbFormat::kNf4,
                           .double_quant = std::string(format) == "nf4_double"};
  const MergeReport report =
      merge_adapter(*base.ops, base.model, base.adapter, scratch / "merged", {}, {.quantize = options});
  quantize_model(base.model, scratch / "quantized", options.format, options.double_quant, 1, {});
  const io::TensorFolder got(scratch / "merged");
  const io::TensorFolder want(scratch / "quantized");
  ASSERT_EQ(got.names(), want.names());
  EXPECT_EQ(report.bytes, got.total_bytes());
  EXPECT_EQ(io::read_json_file(scratch / "merged" / "config.json"),
            io::read_json_file(scratch / "quantized" / "config.json"));
  const ModelConfig config = load_model_config(scratch / "merged");
  const Weights merged = load_weights(scratch / "merged", config);
  ASSERT_EQ(report.adapted.size(), base.updates.entries().size());
  for (const auto& entry : base.updates.entries()) {
    const std::string name = entry->module + ".weight";
    const Matrix stored = read_matrix(base.weights, name);
    const Matrix before = base.config.conv1d ? transposed(stored) : transposed(transposed(stored));
    const QuantLoss loss = loss_between(before, read_matrix(merged, name), update_of(entry->update));
    EXPECT_LT(loss.relative(), options.format == BnbFormat::kInt8 ? 0.015 : 0.13) << name;
    const auto told = std::find_if(report.adapted.begin(), report.adapted.end(),
                                   [&](const MergedTensor& tensor) { return tensor.name == name; });
    ASSERT_NE(told, report.adapted.end()) << name;
    expect_same_loss(told->loss, loss, name);
  }
  for (const std::string& name : want.names()) {
    const bool adapted =
        std::any_of(base.updates.entries().begin(), base.updates.entries().end(),
                    [&](const auto& entry) { return name.starts_with(entry->module + "."); });
    EXPECT_TRUE(adapted || same_bytes(got.at(name).bytes, want.at(name).bytes)) << name;
  }
}

TEST(MergeQuantizedMistakes, OptionsThatDoNotGoWithTheModelAreRefused) {
  QuantizedBase nf4("llama", "nf4");
  const io::ScratchFolder scratch;
  const auto error = [&](const char* format, const MergeOptions& options) {
    const std::filesystem::path model = quantized_golden(std::string("llama/") + format);
    return io::error_of(
        [&] { merge_adapter(*nf4.ops, model, nf4.adapter, scratch / "merged", {}, options); });
  };
  EXPECT_NE(error("nf4", {.quantize = BnbOptions{}}).find("found a quantised model; expected one with plain"),
            std::string::npos);
  EXPECT_NE(error("dense", {.dequantize = true}).find("found plain weights; expected a quantised model"),
            std::string::npos);
  EXPECT_NE(error("dense", {.dequantize = true, .quantize = BnbOptions{}}).find("found both"),
            std::string::npos);
  EXPECT_TRUE(scratch.names().empty());
}

}  // namespace
}  // namespace lorry::model
