// An adapter whose config and tensors disagree is refused by every command that reads it, in the same words.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <memory>

#include "cli/program.hpp"
#include "io/io_support.hpp"
#include "io/json_file.hpp"
#include "io/safetensors.hpp"
#include "io/safetensors_writer.hpp"

namespace lorry::cli {
namespace {

using Arguments = std::vector<std::string>;

/// One tensor, F32, of an adapter on the tiny model, whose width is 32.
struct SideTensor {
  std::string name;  // after "base_model.model."
  std::vector<Index> shape;
  float value = 0.25F;
};

const std::string kLayer = "model.layers.0.self_attn.";

/// Halves of rank 1 of one map of width 32.
std::vector<SideTensor> halves(const std::string& module) {
  return {{module + ".lora_A.weight", {1, 32}}, {module + ".lora_B.weight", {32, 1}}};
}

void write_adapter(const std::filesystem::path& folder, io::Json config,
                   const std::vector<SideTensor>& tensors) {
  std::filesystem::create_directories(folder);
  config["peft_type"] = "LORA";
  config["r"] = 1;
  config["lora_alpha"] = 1;
  if (!config.contains("target_modules")) config["target_modules"] = {"q_proj"};
  io::write_json_file(folder / "adapter_config.json", config);
  std::vector<io::TensorSpec> specs;
  for (const SideTensor& tensor : tensors)
    specs.push_back({"base_model.model." + tensor.name, DType::kF32, tensor.shape});
  io::SafetensorsWriter writer(folder / "adapter_model.safetensors", specs);
  for (const SideTensor& tensor : tensors) {
    Index elements = 1;
    for (const Index size : tensor.shape) elements *= size;
    const std::vector<float> values(static_cast<std::size_t>(elements), tensor.value);
    writer.write("base_model.model." + tensor.name, std::as_bytes(std::span(values)));
  }
  writer.finish();
}

class AdapterAgreement : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch_ = std::make_unique<io::ScratchFolder>();
    make_tiny_model(path("parts"), path("model"));
    io::put(path("data.jsonl"), counting_records(3));
    write_adapter(path("good"), {}, halves(kLayer + "q_proj"));
  }
  static void TearDownTestSuite() { scratch_.reset(); }
  static std::string path(std::string_view name) { return *scratch_ / name; }

  static void write(const io::Json& config, std::vector<SideTensor> more,
                    const std::string& module = kLayer + "q_proj") {
    std::vector<SideTensor> tensors = halves(module);
    tensors.insert(tensors.end(), more.begin(), more.end());
    write_adapter(path("bad"), config, tensors);
  }
  static void expect_line(const Arguments& arguments, const std::string& line) {
    const std::vector<std::string> before = scratch_->names();
    const Outcome outcome = run_lorry(arguments);
    EXPECT_EQ(outcome.code, 1);
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(outcome.err, "error: " + line + "\n") << arguments[0] << " " << arguments[1];
    EXPECT_EQ(scratch_->names(), before) << "half-written";
  }
  /// Of each command that reads adapters; `words` follow the path of the adapter's folder.
  static void expect_refused(const std::string& words) {
    const std::string line = fmt::format("[load] {}/{}", path("bad"), words);
    expect_line({"analyze", "spectrum", path("bad")}, line);
    expect_line({"analyze", "similarity", path("good"), path("bad")}, line);
    expect_line({"analyze", "amplification", path("bad"), "--model", path("model")}, line);
    expect_line({"analyze", "compress", path("bad"), "--rank", "1", "--out", path("out")}, line);
    expect_line({"merge", "--model", path("model"), "--adapter", path("bad"), "--out", path("out")}, line);
    expect_line({"eval", "--model", path("model"), "--adapter", path("bad"), "--data", path("data.jsonl"),
                 "--threads", "1"},
                line);
  }
  /// The line about a tensor that a field denies.
  static std::string denied(const std::string& tensor, const std::string& found,
                            const std::string& expected) {
    return fmt::format(
        "adapter_model.safetensors: tensor \"base_model.model.{}\": found with {} in adapter_config.json; "
        "expected {}, or no such tensor",
        tensor, found, expected);
  }

  static std::unique_ptr<io::ScratchFolder> scratch_;
};

std::unique_ptr<io::ScratchFolder> AdapterAgreement::scratch_;

TEST_F(AdapterAgreement, TensorsThatTheConfigDeniesOrPromises) {
  const std::string bias = kLayer + "q_proj.lora_B.bias";
  write({{"lora_bias", false}}, {{bias, {32}}});
  expect_refused(denied(bias, "\"lora_bias\": false", "true"));
  write({{"lora_bias", true}}, {});
  expect_refused(
      fmt::format("adapter_model.safetensors: tensor \"base_model.model.{}\": missing; expected by "
                  "\"lora_bias\": true in adapter_config.json",
                  bias));
  const std::string base_bias = kLayer + "q_proj.base_layer.bias";
  write({{"bias", "none"}}, {{base_bias, {32}}});
  expect_refused(denied(base_bias, R"("bias": "none")", R"("all" or "lora_only")"));
  const std::string other_bias = kLayer + "k_proj.bias";
  write({{"bias", "lora_only"}}, {{other_bias, {32}}});
  expect_refused(denied(other_bias, R"("bias": "lora_only")", R"("all")"));
  write({{"modules_to_save", nullptr}}, {{"model.norm.weight", {32}}});
  expect_refused(denied("model.norm.weight", "\"modules_to_save\": null", "its module there"));
  write({{"modules_to_save", {"lm_head"}}}, {{"model.norm.weight", {32}}, {"lm_head.weight", {258, 32}}});
  expect_refused(denied("model.norm.weight", R"("modules_to_save": ["lm_head"])", "its module there"));
}

TEST_F(AdapterAgreement, NumbersAndShapesOfWhatStandsBesideTheUpdates) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto tensor = [](const std::string& name) {
    return fmt::format("adapter_model.safetensors: tensor \"base_model.model.{}\"", name);
  };
  const std::string not_finite = ": found NaN or infinity; expected finite numbers: did training diverge?";
  write({{"modules_to_save", {"norm"}}, {"target_modules", {kLayer + "q_proj"}}},
        {{"model.norm.weight", {32}, nan},
         {"model.layers.0.input_layernorm.weight", {32}},
         {"model.layers.0.post_attention_layernorm.weight", {32}},
         {"model.layers.1.input_layernorm.weight", {32}},
         {"model.layers.1.post_attention_layernorm.weight", {32}}});
  expect_refused(tensor("model.norm.weight") + not_finite);
  const std::string bias = kLayer + "q_proj.lora_B.bias";
  write({{"lora_bias", true}}, {{bias, {32}, nan}});
  expect_refused(tensor(bias) + not_finite);
  write({{"lora_bias", true}}, {{bias, {31}}});
  expect_refused(tensor(bias) + " is [31]; lora_B.weight of its module says [32]");
  write({{"modules_to_save", {"lm_head"}}}, {{"lm_head.weight", {2, 129, 32}}});
  expect_refused(tensor("lm_head.weight") + " is [2,129,32]; expected a vector or a matrix");
  write({{"target_modules", {"q_proj", "embed_tokens"}}}, {{"model.embed_tokens.lora_embedding_A", {3, 258}},
                                                           {"model.embed_tokens.lora_embedding_B", {32, 1}}});
  expect_refused(tensor("model.embed_tokens.lora_embedding_A") +
                 " is [3,258]; adapter_config.json says rank 1");
}

TEST_F(AdapterAgreement, ModulesThatTheConfigDoesNotSelect) {
  const auto module = [](const std::string& rule) {
    return fmt::format(
        "adapter_model.safetensors: module \"{}q_proj\" is not among the layers that {}; adapter for another "
        "model?",
        kLayer, rule);
  };
  const std::vector<SideTensor> second = halves("model.layers.1.self_attn.q_proj");
  write({{"target_modules", {"v_proj"}}}, {});
  expect_refused(module("target_modules selects"));
  write({{"target_modules", ".*\\.1\\..*"}}, second);
  expect_refused(module("target_modules selects"));
  write({{"layers_to_transform", {1}}}, second);
  expect_refused(module("layers_to_transform leaves"));
  write({{"exclude_modules", ".*layers\\.0.*"}}, second);
  expect_refused(module("exclude_modules leaves"));
  write({{"exclude_modules", {"q_proj"}}}, {});
  expect_refused(
      "adapter_config.json: field exclude_modules: leaves none of the 1 layers that target_modules selects");
  write({{"layers_to_transform", {5}}}, {});
  expect_refused(
      "adapter_config.json: field layers_to_transform: leaves none of the 1 layers that target_modules "
      "selects");
  write({{"modules_to_save", {"q_proj"}}}, {{kLayer + "q_proj.weight", {32, 32}}});
  expect_refused(module("modules_to_save leaves"));
}

TEST_F(AdapterAgreement, AllThatIsLeftOutIsNamed) {
  std::vector<SideTensor> tensors = halves(kLayer + "q_proj");
  tensors.push_back({kLayer + "q_proj.lora_B.bias", {32}});
  tensors.push_back({kLayer + "q_proj.base_layer.bias", {32}});
  tensors.push_back({"lm_head.weight", {258, 32}});
  write_adapter(path("much"), {{"modules_to_save", {"lm_head"}}, {"bias", "all"}, {"lora_bias", true}},
                tensors);
  const Outcome outcome = run_lorry({"analyze", "spectrum", path("much"), "--threads", "1"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.err.find(path("much") +
                             ": what modules_to_save, bias and lora_bias trained is left out; only low-rank "
                             "updates of linear layers are measured\n"),
            std::string::npos)
      << outcome.err;
  const Outcome compressed =
      run_lorry({"analyze", "compress", path("much"), "--rank", "1", "--out", path("out")});
  EXPECT_EQ(compressed.code, 1);
  EXPECT_NE(
      compressed.err.find("fields \"modules_to_save\", \"bias\", \"lora_bias\": found in use; compress keeps "
                          "A and B alone; expected an adapter without them"),
      std::string::npos)
      << compressed.err;
}

TEST_F(AdapterAgreement, RepeatedBaseWeightsAreNamedWhereTheyCannotBeCompared) {
  std::vector<SideTensor> tensors = {{"lm_head.lora_A.weight", {1, 32}},
                                     {"lm_head.lora_B.weight", {258, 1}},
                                     {"lm_head.base_layer.weight", {258, 32}},
                                     {"model.embed_tokens.weight", {258, 32}}};
  write_adapter(path("head"), {{"target_modules", {"lm_head"}}}, tensors);
  const Outcome outcome = run_lorry({"analyze", "spectrum", path("head"), "--threads", "1"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("lm_head and model.embed_tokens are repeated in it, taken to be as in the base"),
            std::string::npos)
      << outcome.err;
}

}  // namespace
}  // namespace lorry::cli
