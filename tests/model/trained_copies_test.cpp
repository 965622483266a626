// What modules_to_save and bias select, and fresh adapters with copies.
#include "model/trained_copies.hpp"

#include <gtest/gtest.h>

#include "io/io_support.hpp"
#include "io/json_file.hpp"
#include "model/adapter_files.hpp"
#include "model/golden_case.hpp"
#include "model/inspect.hpp"
#include "support/random_matrix.hpp"

namespace lorry::model {
namespace {

using io::error_of;

PeftConfig copying(const std::string& targets, std::vector<std::string> saved,
                   BiasTraining bias = BiasTraining::kNone) {
  PeftConfig config;
  config.target_modules = parse_target_modules(targets);
  config.modules_to_save = std::move(saved);
  config.bias = bias;
  return config;
}

std::vector<std::string> file_names(const Adapter& adapter) {
  std::vector<std::string> names;
  for (const TrainedCopies::Entry& copy : adapter.copies().entries()) names.push_back(copy.spec.file_name);
  return names;
}

std::string creating(const std::string& family, const PeftConfig& config) {
  GoldenCase golden(family);
  const std::string made = error_of([&] { Adapter::create(config, golden.decoder(), 1); });
  EXPECT_EQ(error_of([&] { Adapter::check(config, golden.decoder()); }), made);  // before a run begins
  return made;
}

TEST(TrainedCopies, AreListedUnderTheNamesOfPeftsFile) {
  GoldenCase golden("gpt2");
  EXPECT_EQ(file_names(Adapter::create(copying("mlp.c_proj", {"h.1.ln_2", "wpe"}), golden.decoder(), 1)),
            (std::vector<std::string>{"base_model.model.transformer.wpe.weight",
                                      "base_model.model.transformer.h.1.ln_2.weight",
                                      "base_model.model.transformer.h.1.ln_2.bias"}));
  // Of a map of which a part is adapted, too.
  EXPECT_EQ(
      file_names(Adapter::create(copying("c_attn.q", {}, BiasTraining::kLoraOnly), golden.decoder(), 1)),
      (std::vector<std::string>{"base_model.model.transformer.h.0.attn.c_attn.base_layer.bias",
                                "base_model.model.transformer.h.1.attn.c_attn.base_layer.bias"}));
}

TEST(TrainedCopies, StartAsTheModelAndLeaveItAsItWas) {
  GoldenCase golden("qwen2");
  const data::Batch batch = pack(golden.documents());
  Decoder::Workspace workspace;
  const double loss = golden.decoder().loss(batch, workspace);
  Adapter adapter = Adapter::create(
      copying("q_proj", {"lm_head", "embed_tokens", "norm", "mlp"}, BiasTraining::kAll), golden.decoder(), 1);
  std::vector<optim::Parameter> parameters = adapter.parameters();
  adapter.attach(golden.decoder());
  EXPECT_EQ(golden.decoder().loss(batch, workspace), loss);
  golden.decoder().loss_and_gradient(batch, {}, workspace);
  for (optim::Parameter& parameter : parameters) {
    const bool a = parameter.name.ends_with("lora_A.weight");  // B is zero
    EXPECT_EQ(golden.ops().sum_of_squares(parameter.gradient) > 0, !a) << parameter.name;
    golden.ops().add(parameter.gradient, 0.01F, parameter.value);
  }
  EXPECT_NE(golden.decoder().loss(batch, workspace), loss);
  Adapter::detach(golden.decoder());
  EXPECT_EQ(golden.decoder().loss(batch, workspace), loss);
  for (const nn::Linear* linear : golden.decoder().linears())
    EXPECT_FALSE(linear->trains()) << linear->name();
}

TEST(TrainedCopies, OfVectorsAndBiasesDoNotDecay) {
  GoldenCase golden("gpt2");
  PeftConfig config = copying("c_attn", {"wte", "ln_f"}, BiasTraining::kAll);
  config.lora_bias = true;
  Adapter adapter = Adapter::create(config, golden.decoder(), 1);
  for (const optim::Parameter& parameter : adapter.parameters()) {
    EXPECT_EQ(parameter.decay, parameter.value.rows > 1) << parameter.name;
  }
}

TEST(TrainedCopies, InspectionCountsThem) {
  GoldenCase golden("gpt2");
  PeftConfig config = copying("c_attn.q,mlp.c_fc", {"ln_f", "wpe"}, BiasTraining::kLoraOnly);
  config.lora_bias = true;
  const Adapter adapter = Adapter::create(config, golden.decoder(), 1);
  const io::ScratchFolder folder;
  save_adapter(folder.path(), adapter);
  const AdapterSummary summary = inspect_adapter(folder.path());
  EXPECT_EQ(summary.copies, 3 + 4);
  EXPECT_EQ(summary.base_weights, 0);
  // Of the map's bias that lies beside B, two thirds belong to no part.
  EXPECT_EQ(summary.parameters, adapter.count_parameters() + 2 * 2 * 36);
}

TEST(TrainedCopies, MistakesAreNamed) {
  EXPECT_EQ(creating("llama", copying("q_proj", {"score"})),
            "[lora] \"modules_to_save\": \"score\" matches no module of this model; it has: down_proj, "
            "embed_tokens, gate_proj, input_layernorm, k_proj, lm_head, norm, o_proj, "
            "post_attention_layernorm, q_proj, up_proj, v_proj");
  EXPECT_EQ(
      creating("llama", copying("q_proj", {"ayers"})),
      "[lora] \"modules_to_save\": \"ayers\" matches \"model.layers\", which holds every block; expected "
      "smaller modules");
  EXPECT_EQ(creating("llama", copying("q_proj", {"odel"})).substr(0, 55),
            "[lora] \"modules_to_save\": \"odel\" matches \"model\", which");
  // By its whole name a module is kept from being adapted; by the mere end of a name it would be both.
  EXPECT_EQ(creating("llama", copying("q_proj,v_proj", {"q_proj"})), "no error");
  EXPECT_EQ(
      creating("llama", copying("q_proj,v_proj", {"_proj"})),
      "[lora] \"modules_to_save\": found \"model.layers.0.self_attn.q_proj\", which has a low-rank update; "
      "expected one of both");
  EXPECT_EQ(creating("llama", copying("lm_head", {"lm_head"})),
            "[lora] modules_to_save: found every layer of target_modules; expected some left to adapt");
  EXPECT_EQ(creating("llama", copying("q_proj", {}, BiasTraining::kAll)),
            "[lora] \"bias\": found \"all\"; this model has no such biases; expected \"none\"");
  EXPECT_EQ(creating("qwen2", copying("o_proj", {}, BiasTraining::kLoraOnly)),
            "[lora] \"bias\": found \"lora_only\"; this model has no such biases; expected \"none\"");
}

TEST(TrainedCopies, FilesThatLackThemOrHoldMoreAreRefused) {
  GoldenCase golden("qwen2");
  const io::ScratchFolder folder;
  const auto loading = [&] { return error_of([&] { load_adapter(folder.path(), golden.decoder()); }); };
  const auto config = [&](const char* field, const io::Json& value) {
    io::Json json = io::read_json_file(folder / kAdapterConfigFile);
    json[field] = value;
    io::write_json_file(folder / kAdapterConfigFile, json);
  };
  save_adapter(folder.path(), Adapter::create(copying("q_proj", {"norm"}), golden.decoder(), 1));
  EXPECT_EQ(loading(), "no error");
  config("bias", "lora_only");
  EXPECT_NE(loading().find("q_proj.base_layer.bias"), std::string::npos) << loading();
  config("bias", "some");
  EXPECT_NE(loading().find("field \"bias\": found \"some\"; supported: none, all, lora_only"),
            std::string::npos);
  config("bias", "none");
  config("lora_bias", true);
  EXPECT_NE(loading().find("q_proj.lora_B.bias"), std::string::npos) << loading();
  config("lora_bias", false);
  config("modules_to_save", io::Json::array({"norm", "score"}));  // which PEFT lets pass, too
  EXPECT_EQ(loading(), "no error");
  config("modules_to_save", "norm");
  EXPECT_NE(loading().find("field \"modules_to_save\": found \"norm\""), std::string::npos) << loading();
  config("modules_to_save", nullptr);
  EXPECT_NE(loading().find("input_layernorm.weight\": found with \"modules_to_save\": null in"),
            std::string::npos)
      << loading();
}

}  // namespace
}  // namespace lorry::model
