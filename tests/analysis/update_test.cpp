// Opening adapters and differences: what is read, in which order, and what is refused.
#include "analysis/update.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "analysis/adapter_folder.hpp"
#include "analysis/memory_updates.hpp"
#include "io/safetensors.hpp"
#include "support/golden_folder.hpp"

namespace lorry::analysis {
namespace {

/// The text of the Error from opening and reading all of an adapter, the folder's path written as X.
std::string error_of_folder(const io::ScratchFolder& scratch) {
  const std::string text = io::error_of([&] {
    const std::unique_ptr<UpdateSource> updates = open_updates(scratch / "x");
    for (Index i = 0; i < static_cast<Index>(updates->modules().size()); ++i)
      static_cast<void>(updates->read(i));
  });
  const std::string path = (scratch / "x").string();
  const std::size_t at = text.find(path);
  return at == std::string::npos ? text
                                 : fmt::format("{}X{}", text.substr(0, at), text.substr(at + path.size()));
}

TEST(Updates, AdapterIsReadWithItsScaleAndInTheOrderOfLayers) {
  const io::ScratchFolder scratch;
  const Grid a = random_grid(2, 5, 1);
  const Grid b = random_grid(4, 2, 2);
  write_adapter_folder(scratch / "x", 2, 3.0,
                       {{"layers.10.q.lora_A.weight", a},
                        {"layers.10.q.lora_B.weight", b},
                        {"layers.2.q.lora_A.weight", a},
                        {"layers.2.q.lora_B.weight", b}});
  const std::unique_ptr<UpdateSource> updates = open_updates(scratch / "x");
  ASSERT_EQ(updates->modules().size(), 2U);
  EXPECT_EQ(updates->modules()[0].module, "layers.2.q");
  EXPECT_EQ(updates->modules()[1].module, "layers.10.q");
  const Update update = updates->read(1);
  EXPECT_EQ(update.info.outputs, 4);
  EXPECT_EQ(update.info.inputs, 5);
  EXPECT_EQ(update.info.rank, 2);
  EXPECT_EQ(update.info.scale, 1.5);
  EXPECT_FALSE(update.info.dense);
  EXPECT_EQ(update.a.values, a.values);
  EXPECT_EQ(update.b.values, b.values);
}

TEST(Updates, BadAdaptersAreRefusedInOneLine) {
  const io::ScratchFolder scratch;
  const Grid a = random_grid(2, 5, 1);
  const Grid b = random_grid(4, 2, 2);
  Grid bad = a;
  bad.at(1, 3) = std::numeric_limits<double>::quiet_NaN();
  write_adapter_folder(scratch / "x", 2, 2, {{"m.lora_A.weight", bad}, {"m.lora_B.weight", b}});
  EXPECT_EQ(error_of_folder(scratch),
            "[load] X/adapter_model.safetensors: tensor \"base_model.model.m.lora_A.weight\": found NaN or "
            "infinity in "
            "row 1; expected finite numbers: did training diverge?");
  write_adapter_folder(scratch / "x", 2, 2, {{"m.lora_A.weight", a}});
  EXPECT_EQ(
      error_of_folder(scratch),
      "[load] X/adapter_model.safetensors: module \"m\": found one of lora_A and lora_B; expected both");
  write_adapter_folder(scratch / "x", 2, 2,
                       {{"m.lora_A.weight", a}, {"m.lora_B.weight", random_grid(4, 3, 2)}});
  EXPECT_EQ(error_of_folder(scratch),
            "[load] X/adapter_model.safetensors: module \"m\": found lora_A [2,5] and lora_B [4,3]; expected "
            "equal ranks");
  write_adapter_folder(scratch / "x", 8, 2, {{"m.lora_A.weight", a}, {"m.lora_B.weight", b}});
  EXPECT_EQ(error_of_folder(scratch),
            "[load] X/adapter_model.safetensors: module \"m\": found rank 2; adapter_config.json says 8");
  write_adapter_folder(scratch / "x", 2, 2, {{"m.lora_C", a}});
  EXPECT_EQ(error_of_folder(scratch),
            "[load] X/adapter_model.safetensors: tensor \"base_model.model.m.lora_C\": found no "
            "lora_A or "
            "lora_B of a linear layer; expected names like \"base_model.model.<module>.lora_A.weight\"");
  write_adapter_folder(scratch / "x", 2, 2, {});
  EXPECT_EQ(error_of_folder(scratch),
            "[load] X/adapter_model.safetensors: found no lora_A and lora_B of a linear layer; expected at "
            "least one");
}

TEST(Updates, FoldersThatAreNoUpdateAreNamed) {
  const io::ScratchFolder scratch;
  std::filesystem::create_directories(scratch / "x");
  EXPECT_EQ(error_of_folder(scratch),
            "[load] X: found neither adapter_config.json nor config.json; expected an adapter folder or a "
            "tuned model");
  io::put(scratch / "x/config.json", "{}");
  EXPECT_EQ(
      error_of_folder(scratch),
      "[load] X: found a model, not an adapter; expected its base too (--model), to take the difference");
}

TEST(Updates, BaseWeightsBesideAnAdaptedHeadAreNoPartOfTheUpdate) {
  const std::unique_ptr<UpdateSource> updates =
      open_updates(golden_folder() / "adapters" / "accepted" / "head");
  for (const UpdateInfo& info : updates->modules())
    EXPECT_EQ(info.module.find("base_layer"), std::string::npos);
  EXPECT_EQ(updates->modules().front().module, "lm_head");
}

TEST(Updates, DifferenceOfAModelAndItselfIsZeroForEveryLinearMap) {
  const std::filesystem::path model = golden_folder() / "families" / "gpt2" / "model";
  const std::unique_ptr<UpdateSource> updates = open_updates(model, model);
  ASSERT_EQ(updates->modules().size(), 8U);  // 2 layers: c_attn, c_proj, c_fc, c_proj; the head is tied
  EXPECT_EQ(updates->modules()[0].module, "transformer.h.0.attn.c_attn");
  EXPECT_EQ(updates->modules()[0].outputs, 108);  // Conv1D stores [36, 108]
  EXPECT_EQ(updates->modules()[0].inputs, 36);
  const Update update = updates->read(0);
  EXPECT_EQ(update.difference.rows, 108);
  EXPECT_EQ(update.difference.values, std::vector<double>(36 * 108));
}

/// Parts q (outputs 0 to 1, rank 1) and v (4 to 5, rank 2) of a map with 6 outputs, stacked.
void write_parts(const std::filesystem::path& folder, const Grid& a, const Grid& b) {
  const std::string record = R"({"m.c":[{"name":"q","first_output":0,"outputs":2,"rank":1,"scale":2.0},)"
                             R"({"name":"v","first_output":4,"outputs":2,"rank":2,"scale":0.5}]})";
  write_adapter_folder(folder, 3, 6.0, {{"m.c.lora_A.weight", a}, {"m.c.lora_B.weight", b}},
                       {{"format", "pt"}, {model::kPartsKey, record}});
}

TEST(Updates, PartsOfAMapAreModulesOfTheirOwn) {
  const io::ScratchFolder scratch;
  const Grid a = random_grid(3, 5, 1);
  Grid b(6, 3);
  b.at(0, 0) = 0.25;
  b.at(1, 0) = 0.5;
  b.at(4, 1) = 2;
  b.at(4, 2) = 4;
  b.at(5, 1) = 8;
  b.at(5, 2) = 16;
  write_parts(scratch / "x", a, b);
  const std::unique_ptr<UpdateSource> updates = open_updates(scratch / "x");
  ASSERT_EQ(updates->modules().size(), 2U);
  EXPECT_EQ(updates->modules()[0].module, "m.c.q");
  EXPECT_EQ(updates->modules()[1].module, "m.c.v");
  const Update v = updates->read(1);
  EXPECT_EQ(v.info.outputs, 2);
  EXPECT_EQ(v.info.rank, 2);
  EXPECT_EQ(v.info.scale, 2.0);  // the file's, to which its B belongs
  EXPECT_EQ(v.b.values, (std::vector<double>{2, 4, 8, 16}));
  EXPECT_EQ(v.a.values, std::vector<double>(a.values.begin() + 5, a.values.end()));
  const Update q = updates->read(0);
  EXPECT_EQ(q.b.values, (std::vector<double>{0.25, 0.5}));
  EXPECT_EQ(q.a.values, std::vector<double>(a.values.begin(), a.values.begin() + 5));

  const std::unique_ptr<UpdateSource> stacked = open_updates(scratch / "x", {}, model::PartsAs::kStacked);
  ASSERT_EQ(stacked->modules().size(), 1U);
  EXPECT_EQ(stacked->modules()[0].module, "m.c");
  EXPECT_EQ(stacked->read(0).b.values, b.values);

  b.at(5, 0) = 1;
  write_parts(scratch / "x", a, b);
  EXPECT_EQ(error_of_folder(scratch),
            "[load] X/adapter_model.safetensors: lora_B of \"m.c\" is not zero outside of part \"q\"; "
            "expected zeros: changed by another program?");
}

TEST(Updates, ModelsOfDifferentShapesHaveNoDifference) {
  const std::string text = io::error_of([] {
    open_updates(golden_folder() / "families" / "llama3" / "model",
                 golden_folder() / "families" / "llama" / "model");
  });
  EXPECT_NE(text.find("module \"model.layers.0.self_attn.q_proj\": found [48,48] here and [32,32] in"),
            std::string::npos)
      << text;
}

TEST(Updates, AModelWithFewerLayersThanItsBaseHasNoDifference) {
  const std::filesystem::path base = golden_folder() / "families" / "llama" / "model";
  const io::ScratchFolder scratch;
  std::filesystem::create_directories(scratch / "short");
  std::string config = io::get(base / "config.json");
  const std::string layers = "\"num_hidden_layers\": ";
  config.replace(config.find(layers), layers.size() + 1, layers + "1");  // of 2
  io::put(scratch / "short/config.json", config);
  const io::SafetensorsFile file(base / "model.safetensors");
  std::vector<io::TensorSpec> specs;
  for (const io::TensorView& tensor : file.tensors()) {
    if (tensor.name.find("layers.1.") == std::string::npos) {
      specs.push_back({tensor.name, tensor.dtype, tensor.shape});
    }
  }
  io::SafetensorsWriter writer(scratch / "short/model.safetensors", specs);
  for (const io::TensorSpec& spec : specs) writer.write(spec.name, file.at(spec.name).bytes);
  writer.finish();
  const std::string text = io::error_of([&] { open_updates(scratch / "short", base); });
  EXPECT_NE(text.find("module \"model.layers.1."), std::string::npos) << text;
  EXPECT_NE(text.find("found none here and ["), std::string::npos) << text;
}

TEST(Updates, NamesAreOrderedByTheirNumbers) {
  EXPECT_TRUE(module_less("h.2.q", "h.10.q"));
  EXPECT_FALSE(module_less("h.10.q", "h.2.q"));
  EXPECT_TRUE(module_less("h.2.k", "h.2.q"));
  EXPECT_TRUE(module_less("h.2", "h.2.q"));
  EXPECT_FALSE(module_less("h.2.q", "h.2.q"));
  EXPECT_TRUE(module_less("a", "h.1"));
}

}  // namespace
}  // namespace lorry::analysis
