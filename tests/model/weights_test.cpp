// Model folders whose tensors do not fit their config, and those that fit in unusual ways.
#include "model/weights.hpp"

#include <gtest/gtest.h>

#include "io/io_support.hpp"
#include "io/safetensors_writer.hpp"
#include "model/golden_case.hpp"
#include "support/random_matrix.hpp"

namespace lorry::model {
namespace {

constexpr const char* kTensor = "model.layers.1.mlp.down_proj.weight";

/// Writes llama's weights into `folder`, as `change` alters the list; an empty name leaves a tensor out.
template <class Change>
void write_changed(const std::filesystem::path& folder, Change change) {
  const io::SafetensorsFile model(golden_folder() / "families/llama/model/model.safetensors");
  std::vector<io::TensorSpec> specs;
  for (const io::TensorView& tensor : model.tensors()) {
    io::TensorSpec spec{tensor.name, tensor.dtype, tensor.shape};
    change(spec);
    if (!spec.name.empty()) specs.push_back(spec);
  }
  io::SafetensorsWriter writer(folder / "model.safetensors", specs);
  for (const io::TensorSpec& spec : specs) {
    Index size = size_of(spec.dtype);
    for (const Index side : spec.shape) size *= side;
    writer.write(spec.name, std::vector<std::byte>(static_cast<std::size_t>(size)));
  }
  writer.finish();
}

template <class Change>
std::string error_after(Change change) {
  const ModelConfig config = load_model_config(golden_folder() / "families/llama/model");
  const io::ScratchFolder folder;
  write_changed(folder.path(), change);
  const std::string error = io::error_of([&] { load_weights(folder.path(), config); });
  if (error == "no error") return error;
  EXPECT_TRUE(error.starts_with("[load] " + folder.path().string())) << error;
  return error.substr(error.find(": ") + 2);
}

TEST(Weights, NothingIsWrongUnchanged) {
  EXPECT_EQ(error_after([](io::TensorSpec& /*spec*/) {}), "no error");
}

TEST(Weights, MissingTensor) {
  EXPECT_EQ(error_after([](io::TensorSpec& spec) {
              if (spec.name == kTensor) spec.name.clear();
            }),
            "tensor \"model.layers.1.mlp.down_proj.weight\" is missing; expected by config.json with shape "
            "[32,56]");
}

TEST(Weights, WrongShape) {
  EXPECT_EQ(error_after([](io::TensorSpec& spec) {
              if (spec.name == kTensor) spec.shape = {56, 32};
            }),
            "tensor \"model.layers.1.mlp.down_proj.weight\" is [56,32]; config.json says [32,56]; wrong "
            "config for this "
            "model?");
}

TEST(Weights, WrongType) {
  EXPECT_EQ(error_after([](io::TensorSpec& spec) {
              if (spec.name == kTensor) spec.dtype = DType::kU8;
            }),
            "tensor \"model.layers.1.mlp.down_proj.weight\" has type U8; supported: F32, F16, BF16");
}

TEST(Weights, FewerLayersThanTheConfigSays) {
  const std::string error = error_after([](io::TensorSpec& spec) {
    if (spec.name.starts_with("model.layers.1.")) spec.name.clear();
  });
  EXPECT_TRUE(error.starts_with("tensor \"model.layers.1.")) << error;
}

TEST(Weights, MoreInALayerThanTheConfigSays) {
  const auto error_with = [](const char* family, void (*change)(ModelConfig&)) {
    const std::filesystem::path folder = golden_folder() / "families" / family / "model";
    ModelConfig config = load_model_config(folder);
    change(config);
    return io::error_of([&] { load_weights(folder, config); });
  };
  const std::string layer = error_with("llama", [](ModelConfig& config) { config.num_hidden_layers = 1; });
  EXPECT_NE(layer.find("tensor \"model.layers.1."), std::string::npos) << layer;
  EXPECT_NE(layer.find("config.json (llama, 1 layers) has no place for it"), std::string::npos) << layer;
  const std::string bias = error_with("qwen2", [](ModelConfig& config) { config.qkv_bias = false; });
  EXPECT_NE(bias.find("tensor \"model.layers.0.self_attn.k_proj.bias\""), std::string::npos) << bias;
  const std::string norm = error_with("qwen3", [](ModelConfig& config) { config.qk_norm = false; });
  EXPECT_NE(norm.find("tensor \"model.layers.0.self_attn.k_norm.weight\""), std::string::npos) << norm;
}

TEST(Weights, ExtraTensorsDoNotMatter) {
  // Older files hold buffers that are no weights, such as rotary_emb.inv_freq.
  GoldenCase golden("llama_f16");  // holds such tensors; its logits are checked in families_test.cpp
  EXPECT_NE(io::TensorFolder(golden.folder() / "model").find("model.layers.0.self_attn.rotary_emb.inv_freq"),
            nullptr);
}

TEST(Weights, MatricesAreUsedInPlaceAndVectorsAsFloat32) {
  GoldenCase golden("llama_bf16");
  const ConstMatrixView norm = golden.weights().at("model.norm.weight").as_dense();
  EXPECT_EQ(norm.dtype, DType::kF32);
  const io::TensorFolder folder(golden.folder() / "model");
  const io::TensorView& stored = folder.at("model.norm.weight");
  ASSERT_EQ(stored.dtype, DType::kBF16);
  const auto* values = reinterpret_cast<const BF16*>(stored.bytes.data());
  for (Index i = 0; i < norm.cols; ++i) EXPECT_EQ(norm.row<float>(0)[i], to_float(values[i]));
  EXPECT_EQ(golden.weights().at("lm_head.weight").as_dense().dtype, DType::kBF16);
}

TEST(Weights, MisalignedMatricesAreCopied) {
  // One odd byte in front puts every F32 tensor of a file off its alignment; other writers do that.
  const ModelConfig config = load_model_config(golden_folder() / "families/llama/model");
  const std::string bytes = io::get(golden_folder() / "families/llama/model/model.safetensors");
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  const std::string header = bytes.substr(8, length) + " ";
  const std::string data = bytes.substr(8 + length);
  const io::ScratchFolder folder;
  io::put(folder / "model.safetensors", io::safetensors_bytes(header, 0) + data);
  const Weights got = load_weights(folder.path(), config);
  const GoldenCase want("llama");
  for (const TensorSpec& spec : list_tensors(config)) {
    EXPECT_TRUE(testing::same_bits(got.at(spec.name).as_dense(), want.weights().at(spec.name).as_dense()))
        << spec.name;
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(got.at(spec.name).as_dense().data) % sizeof(float), 0U)
        << spec.name;
  }
}

}  // namespace
}  // namespace lorry::model
