// Quantising folders: bytes as bitsandbytes', shards, what is refused.
#include "model/quantize.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "io/io_support.hpp"
#include "io/json_fields.hpp"
#include "io/safetensors_writer.hpp"
#include "model/golden_case.hpp"

namespace lorry::model {
namespace {

struct QuantizeCase {
  const char* family;
  const char* folder;
  BnbFormat format;
  bool double_quant;
};

std::string json_text(const io::TensorView& tensor) {
  std::string text(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
  return text.substr(0, text.find_last_not_of(' ') + 1);
}

class Quantize : public ::testing::TestWithParam<QuantizeCase> {};

INSTANTIATE_TEST_SUITE_P(All, Quantize,
                         ::testing::Values(QuantizeCase{"llama", "nf4", BnbFormat::kNf4, false},
                                           QuantizeCase{"llama", "nf4_double", BnbFormat::kNf4, true},
                                           QuantizeCase{"llama", "int8", BnbFormat::kInt8, true},
                                           QuantizeCase{"gpt2", "nf4", BnbFormat::kNf4, false},
                                           QuantizeCase{"gpt2", "nf4_double", BnbFormat::kNf4, true},
                                           QuantizeCase{"gpt2", "int8", BnbFormat::kInt8, true}),
                         [](const auto& test) {
                           return std::string(test.param.family) + "_" + test.param.folder;
                         });

TEST_P(Quantize, BytesAreThoseOfBitsandbytes) {
  const QuantizeCase& one = GetParam();
  const std::filesystem::path root = golden_folder() / "quantized" / one.family;
  const io::ScratchFolder scratch;
  for (const Index threads : {1, 3}) {
    const std::filesystem::path out = scratch / std::to_string(threads);
    Index last = 0;
    Index all = -1;
    quantize_model(root / "dense", out, one.format, one.double_quant, threads, [&](Index done, Index total) {
      EXPECT_GE(done, last);
      last = done;
      all = total;
    });
    EXPECT_EQ(last, all);
    const io::SafetensorsFile got(out / "model.safetensors");
    const io::SafetensorsFile want(root / one.folder / "model.safetensors");
    ASSERT_EQ(got.tensors().size(), want.tensors().size());
    for (const io::TensorView& tensor : want.tensors()) {
      const io::TensorView& mine = got.at(tensor.name);
      EXPECT_EQ(mine.dtype, tensor.dtype) << tensor.name;
      if (tensor.name.ends_with("bitsandbytes__nf4")) {
        EXPECT_EQ(json_text(mine), json_text(tensor));  // but for blanks at the end
        continue;
      }
      EXPECT_EQ(mine.shape, tensor.shape) << tensor.name;
      EXPECT_TRUE(std::equal(mine.bytes.begin(), mine.bytes.end(), tensor.bytes.begin(), tensor.bytes.end()))
          << tensor.name;
    }
  }
}

TEST_P(Quantize, TheConfigIsThatOfTransformers) {
  const QuantizeCase& one = GetParam();
  const std::filesystem::path root = golden_folder() / "quantized" / one.family;
  const io::ScratchFolder scratch;
  quantize_model(root / "dense", scratch / "out", one.format, one.double_quant, 1, {});
  const io::Json got = io::read_json_file(scratch / "out" / "config.json");
  io::Json want = io::read_json_file(root / one.folder / "config.json");
  want["quantization_config"]["bnb_4bit_compute_dtype"] = "bfloat16";  // Lorry names the weights' own type
  EXPECT_EQ(got, want);
}

TEST(QuantizeFolders, TheLossIsWhatUnpackingFinds) {
  const std::filesystem::path dense = golden_folder() / "quantized/llama/dense";
  for (const BnbFormat format : {BnbFormat::kNf4, BnbFormat::kInt8}) {
    const io::ScratchFolder scratch;
    const QuantizeReport report = quantize_model(dense, scratch / "out", format, true, 2, {});
    const ModelConfig config = load_model_config(dense);
    const Weights before = load_weights(dense, config);
    const Weights after = load_weights(scratch / "out", config);
    double error = 0;
    double norm = 0;
    for (const TensorSpec& spec : list_tensors(config)) {
      if (!is_quantizable(spec, config)) continue;
      std::vector<float> a(static_cast<std::size_t>(spec.cols()));
      std::vector<float> b(a);
      for (Index i = 0; i < spec.rows(); ++i) {
        before.at(spec.name).read_row(i, a.data());
        after.at(spec.name).read_row(i, b.data());
        for (std::size_t j = 0; j < a.size(); ++j) {
          error += (a[j] - b[j]) * (a[j] - b[j]);
          norm += a[j] * a[j];
        }
      }
    }
    EXPECT_EQ(report.matrices, 7);
    EXPECT_NEAR(report.loss.relative(), std::sqrt(error / norm), 1e-4 * std::sqrt(error / norm));
    EXPECT_NEAR(report.worst_loss, report.loss.relative(), 0.2 * report.loss.relative());
  }
}

TEST(QuantizeFolders, ShardsStayShardsWithTheirIndex) {
  const std::filesystem::path from = golden_folder() / "families/llama_linear/model";  // three shards
  const io::ScratchFolder scratch;
  quantize_model(from, scratch / "out", BnbFormat::kNf4, true, 2, {});
  const io::TensorFolder before(from);
  const io::TensorFolder after(scratch / "out");
  ASSERT_EQ(after.files().size(), before.files().size());
  for (const std::string& name : before.names()) {
    EXPECT_EQ(after.file_of(name).path().filename(), before.file_of(name).path().filename()) << name;
  }
  const io::Json index = io::read_json_file(scratch / "out" / "model.safetensors.index.json");
  EXPECT_EQ(index["metadata"]["total_size"], after.total_bytes());
  load_weights(scratch / "out", load_model_config(scratch / "out"));
}

TEST(QuantizeFolders, AQuantisedModelIsRefused) {
  const std::filesystem::path folder = golden_folder() / "quantized/llama/nf4";
  const io::ScratchFolder scratch;
  EXPECT_EQ(
      io::error_of([&] { quantize_model(folder, scratch / "out", BnbFormat::kNf4, true, 1, {}); }),
      "[quantize] " + (folder / "config.json").string() +
          ": field \"quantization_config\": found a model that is quantised already; expected one with plain "
          "weights");
  EXPECT_TRUE(scratch.names().empty());
}

TEST(QuantizeFolders, WhatIsNotFiniteIsRefused) {
  const std::filesystem::path from = golden_folder() / "quantized/llama/dense";
  const io::ScratchFolder scratch;
  std::filesystem::copy(from, scratch / "model");
  const std::filesystem::path path = scratch / "model" / "model.safetensors";
  std::string bytes = io::get(path);
  Index at = 0;
  {
    const io::SafetensorsFile file(path);
    at = file.at("model.layers.0.mlp.up_proj.weight").bytes.data() - file.mapping()->bytes().data();
  }
  bytes.replace(static_cast<std::size_t>(at) + 100, 2, "\x80\x7f");  // infinity
  io::put(path, bytes);
  for (const BnbFormat format : {BnbFormat::kNf4, BnbFormat::kInt8}) {
    EXPECT_EQ(io::error_of([&] { quantize_model(scratch / "model", scratch / "out", format, true, 2, {}); }),
              "[quantize] " + path.string() +
                  ": tensor \"model.layers.0.mlp.up_proj.weight\": found a number that is "
                  "not finite" +
                  (format == BnbFormat::kInt8 ? ", or too large for float16" : "") +
                  "; expected finite ones");
  }
  EXPECT_EQ(scratch.names(), std::vector<std::string>{"model"});
}

}  // namespace
}  // namespace lorry::model
