// Folders that transformers saved with bitsandbytes: values to the last bit, logits, and what is refused.
#include "model/bnb_weights.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "io/io_support.hpp"
#include "model/golden_case.hpp"
#include "model/inspect.hpp"

namespace lorry::model {
namespace {

std::filesystem::path quantized_folder(const std::string& name) {
  return golden_folder() / "quantized" / name;
}

class BnbFolders : public ::testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(All, BnbFolders,
                         ::testing::Values("llama/nf4", "llama/nf4_double", "llama/int8", "gpt2/nf4",
                                           "gpt2/nf4_double", "gpt2/int8"),
                         [](const auto& test) {
                           std::string name = test.param;
                           name[name.find('/')] = '_';
                           return name;
                         });

TEST_P(BnbFolders, ValuesAreThoseOfBitsandbytes) {
  const std::filesystem::path folder = quantized_folder(GetParam());
  const Weights weights = load_weights(folder, load_model_config(folder));
  const io::SafetensorsFile reference(folder / "reference.safetensors");
  int compared = 0;
  for (const io::TensorView& values : reference.tensors()) {
    if (!values.name.starts_with("values.")) continue;
    const WeightView weight = weights.at(values.name.substr(std::strlen("values.")));
    ASSERT_TRUE(weight.is_packed());
    ASSERT_EQ(values.shape, (std::vector<Index>{weight.rows, weight.cols}));
    std::vector<float> row(static_cast<std::size_t>(weight.cols));
    for (Index i = 0; i < weight.rows; ++i) {
      unpack_row(*weight.packed, i, 0, weight.cols, row.data());
      const std::byte* const want = values.bytes.data() + static_cast<std::size_t>(i) * row.size() * 4;
      ASSERT_EQ(std::memcmp(row.data(), want, row.size() * 4), 0) << values.name << " row " << i;
    }
    ++compared;
  }
  EXPECT_EQ(compared, 2);
}

TEST_P(BnbFolders, LogitsAreThoseOfTransformers) {
  const std::filesystem::path folder = quantized_folder(GetParam());
  const ModelConfig config = load_model_config(folder);
  const Weights weights = load_weights(folder, config);
  const auto ops = ops::make_cpu_ops(1);
  Decoder decoder(*ops, config, weights, DType::kF32);
  GoldenCase reference("llama");  // for its reader
  reference.use_reference(folder / "reference.safetensors");
  const std::vector<std::int32_t> ids = reference.ids("input_ids");
  const Matrix logits = logits_of(decoder, pack({{.ids = ids, .targets = ids}}));
  EXPECT_LT(relative_difference(logits, reference.tensor("logits")), 1e-5);
}

TEST(BnbWeights, InspectCountsNumbersAndNotTheirBytes) {
  const ModelSummary summary = inspect_model(quantized_folder("llama/nf4_double"));
  EXPECT_EQ(summary.linear_parameters, 2 * 96 * 96 + 2 * 48 * 96 + 3 * 96 * 172 + 64 * 96);
  EXPECT_EQ(summary.dtypes.at("NF4"), 2 * 96 * 96 + 2 * 48 * 96 + 3 * 96 * 172);
  EXPECT_EQ(summary.dtypes.at("BF16"), 2 * 64 * 96 + 3 * 96);
  EXPECT_EQ(summary.dtypes.size(), 2U);
}

constexpr const char* kMatrix = "model.layers.0.mlp.up_proj.weight";

struct Changed {
  io::TensorSpec spec;
  std::vector<std::byte> bytes;
};

/// What loading says of the folder after `change` saw each of its tensors; an empty name leaves one out.
template <class Change>
std::string error_after(const std::string& name, Change change) {
  const std::filesystem::path from = quantized_folder(name);
  const io::SafetensorsFile file(from / "model.safetensors");
  std::vector<Changed> tensors;
  std::vector<io::TensorSpec> specs;
  for (const io::TensorView& tensor : file.tensors()) {
    Changed one{{tensor.name, tensor.dtype, tensor.shape}, {tensor.bytes.begin(), tensor.bytes.end()}};
    change(one);
    if (one.spec.name.empty()) continue;
    specs.push_back(one.spec);
    tensors.push_back(std::move(one));
  }
  const io::ScratchFolder folder;
  io::SafetensorsWriter writer(folder.path() / "model.safetensors", specs);
  for (const Changed& tensor : tensors) writer.write(tensor.spec.name, tensor.bytes);
  writer.finish();
  const std::string error = io::error_of([&] { load_weights(folder.path(), load_model_config(from)); });
  const std::string path = folder.path().string();
  const std::size_t at = error.find(path);
  return at == std::string::npos ? error : error.substr(error.find(": ", at) + 2);
}

/// Changes the tensor of that ending beside kMatrix.
template <class Change>
std::string error_with(const std::string& name, const std::string& tensor, Change change) {
  return error_after(name, [&](Changed& one) {
    if (one.spec.name == tensor) change(one);
  });
}

std::string error_with_state(const std::string& from, const std::string& to) {
  return error_with("llama/nf4_double", std::string(kMatrix) + ".quant_state.bitsandbytes__nf4",
                    [&](Changed& one) {
                      std::string text(reinterpret_cast<const char*>(one.bytes.data()), one.bytes.size());
                      text.replace(text.find(from), from.size(), to);
                      one.spec.shape = {std::ssize(text)};
                      const auto bytes = std::as_bytes(std::span(text));
                      one.bytes.assign(bytes.begin(), bytes.end());
                    });
}

TEST(BnbWeights, AMissingPartIsNamed) {
  EXPECT_EQ(error_after("llama/nf4", [](Changed&) {}), "no error");
  for (const std::string ending :
       {".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map", ".quant_state.bitsandbytes__nf4"}) {
    const std::string name = kMatrix + ending;
    EXPECT_EQ(error_with("llama/nf4_double", name, [](Changed& one) { one.spec.name.clear(); }),
              "tensor \"" + name + "\" is missing; expected beside \"" + kMatrix +
                  "\", which bitsandbytes quantised");
  }
  EXPECT_EQ(
      error_with("llama/int8", "model.layers.0.mlp.up_proj.SCB", [](Changed& one) { one.spec.name.clear(); }),
      "tensor \"model.layers.0.mlp.up_proj.SCB\" is missing; expected beside \"" + std::string(kMatrix) +
          "\", which bitsandbytes quantised");
}

TEST(BnbWeights, SizesAndTypesMustFit) {
  const auto shorter = [](Changed& one) {
    one.spec.shape = {one.spec.shape[0] - 1};
    one.bytes.resize(static_cast<std::size_t>(one.spec.shape[0] * size_of(one.spec.dtype)));
  };
  EXPECT_EQ(error_with("llama/nf4_double", std::string(kMatrix) + ".absmax", shorter),
            "tensor \"" + std::string(kMatrix) + ".absmax\": found [257]; expected 258 elements, which \"" +
                kMatrix + "\" of [172,96] has");
  EXPECT_EQ(error_with("llama/nf4", kMatrix,
                       [](Changed& one) {
                         one.spec.shape = {8255, 1};
                         one.bytes.resize(8255);
                       }),
            "tensor \"" + std::string(kMatrix) +
                "\": found U8 [8255,1]; expected U8 [8256,1], the codes of [172,96]");
  EXPECT_EQ(error_with("llama/nf4", std::string(kMatrix) + ".absmax",
                       [](Changed& one) { one.spec.dtype = DType::kI32; }),
            "tensor \"" + std::string(kMatrix) + ".absmax\": found I32; expected F32");
  EXPECT_EQ(error_with("llama/int8", kMatrix,
                       [](Changed& one) {
                         one.spec.shape = {96, 172};
                       }),
            "tensor \"" + std::string(kMatrix) + "\": found I8 [96,172]; expected I8 [172,96]");
}

TEST(BnbWeights, TheStateMustFit) {
  const std::string of = std::string(kMatrix) + ".quant_state.bitsandbytes__nf4: field ";
  EXPECT_EQ(error_with_state("\"blocksize\": 64", "\"blocksize\": 128"),
            of + "\"blocksize\": found 128; expected 64");
  EXPECT_EQ(error_with_state("[172, 96]", "[96, 172]"), of + "\"shape\": found [96,172]; expected [172,96]");
  EXPECT_EQ(error_with_state("nf4", "fp4"), of + "\"quant_type\": found \"fp4\"; expected \"nf4\"");
  EXPECT_EQ(error_with_state("\"nested_blocksize\": 256", "\"nested_blocksize\": 64"),
            of + "\"nested_blocksize\": found 64; expected 256");
  EXPECT_EQ(error_with_state("nested_offset", "offset"),
            of + "\"nested_offset\": missing; expected a finite number");
  EXPECT_NE(error_with_state("{", "[{").find("line 1"), std::string::npos);
}

TEST(BnbWeights, OtherFormatsAreRefusedByName) {
  EXPECT_EQ(error_with("llama/nf4", std::string(kMatrix) + ".quant_state.bitsandbytes__nf4",
                       [](Changed& one) {
                         one.spec.name = std::string(kMatrix) + ".quant_state.bitsandbytes__fp4";
                       }),
            "tensor \"" + std::string(kMatrix) + "\": found FP4; expected NF4 (bnb_4bit_quant_type \"nf4\")");
  EXPECT_EQ(error_with("llama/int8", "model.layers.0.mlp.up_proj.weight_format",
                       [](Changed& one) { one.bytes[0] = std::byte{2}; }),
            "tensor \"model.layers.0.mlp.up_proj.weight_format\": found 2 (col_turing); expected 0 (row)");
}

TEST(BnbWeights, ConfigsOfOtherMethodsAreRefusedByName) {
  const auto error_of_config = [](const io::Json& fields) {
    return io::error_of([&] { is_bnb_quantized({{"quantization_config", fields}}, "FILE"); });
  };
  EXPECT_EQ(
      error_of_config({{"quant_method", "gptq"}}),
      "[load] FILE: field \"quantization_config.quant_method\": found \"gptq\"; expected \"bitsandbytes\"");
  EXPECT_EQ(
      error_of_config({{"load_in_4bit", true}, {"bnb_4bit_quant_type", "fp4"}}),
      "[load] FILE: field \"quantization_config.bnb_4bit_quant_type\": found \"fp4\"; expected \"nf4\"");
  EXPECT_EQ(
      error_of_config({{"load_in_4bit", true}, {"load_in_8bit", true}}),
      "[load] FILE: field \"quantization_config\": found load_in_4bit and load_in_8bit both true; expected "
      "one of them");
  EXPECT_FALSE(is_bnb_quantized({{"quantization_config", nullptr}}, "FILE"));
}

TEST(BnbWeights, APartlyQuantisedGpt2IsRefused) {
  io::Json json = io::read_json_file(quantized_folder("gpt2/nf4") / "config.json");
  const io::ScratchFolder folder;
  const auto error_with_skipped = [&](const io::Json& names) {
    json["quantization_config"]["llm_int8_skip_modules"] = names;
    io::write_json_file(folder.path() / "config.json", json);
    return io::error_of([&] { load_model_config(folder.path()); });
  };
  EXPECT_EQ(error_with_skipped({"lm_head"}), "no error");
  EXPECT_EQ(error_with_skipped({"c_proj"}), "[load] " + (folder.path() / "config.json").string() +
                                                ": field \"quantization_config.llm_int8_skip_modules\": "
                                                "found [\"c_proj\"]; expected null: all maps of "
                                                "the blocks quantised");
}

TEST(BnbWeights, MisalignedScalesAreCopied) {
  // An odd number of blanks at the header's end puts every number off its alignment.
  const std::filesystem::path from = quantized_folder("llama/nf4_double");
  std::string bytes = io::get(from / "model.safetensors");
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  bytes.insert(8 + length, " ");
  ++length;
  std::memcpy(bytes.data(), &length, 8);
  const io::ScratchFolder folder;
  io::put(folder.path() / "model.safetensors", bytes);
  const ModelConfig config = load_model_config(from);
  const Weights weights = load_weights(folder.path(), config);
  const Weights aligned = load_weights(from, config);
  std::vector<float> row(96);
  std::vector<float> want(96);
  for (const Index i : {0, 100, 171}) {
    unpack_row(*weights.at(kMatrix).packed, i, 0, 96, row.data());
    unpack_row(*aligned.at(kMatrix).packed, i, 0, 96, want.data());
    EXPECT_EQ(row, want);
  }
  const auto& scales = std::get<Nf4Scales>(weights.at(kMatrix).packed->scales);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(scales.nested_absmax) % alignof(float), 0U);
}

}  // namespace
}  // namespace lorry::model
