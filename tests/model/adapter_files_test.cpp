// PEFT adapter folders: what must load and what it then computes, what must be refused and with which words.
#include "model/adapter_files.hpp"

#include <gtest/gtest.h>

#include "io/io_support.hpp"
#include "io/json_file.hpp"
#include "io/safetensors_writer.hpp"
#include "model/golden_case.hpp"
#include "support/random_matrix.hpp"

namespace lorry::model {
namespace {

using io::error_of;
using io::ScratchFolder;

std::filesystem::path adapters() {
  return golden_folder() / "adapters";
}

/// The cases of one kind: "accepted" or "refused".
io::Json cases(const char* kind) {
  return io::read_json_file(adapters() / "cases.json").at(kind);
}

Matrix logits_of(GoldenCase& golden, const std::vector<std::int32_t>& ids) {
  const data::Batch batch = pack({{.ids = ids, .targets = std::vector<std::int32_t>(ids.size(), -1)}});
  Matrix logits(batch.rows(), golden.decoder().config().vocab_size);
  Decoder::Workspace workspace;
  golden.decoder().logits(batch, workspace, logits);
  return logits;
}

TEST(AdapterFiles, EveryAcceptedAdapterGivesPeftsLogits) {
  GoldenCase golden("llama");
  golden.use_reference(adapters() / "reference.safetensors");
  const std::vector<std::int32_t> ids = golden.ids("input_ids");
  const io::Json accepted = cases("accepted");  // a name, since a loop would not keep a temporary alive
  ASSERT_GE(accepted.size(), 13U);
  for (const std::string name : accepted) {
    Adapter adapter = load_adapter(adapters() / "accepted" / name, golden.decoder());
    adapter.attach(golden.decoder());
    const Matrix got = logits_of(golden, ids);
    EXPECT_LE(relative_difference(got, golden.tensor(name + ".logits")), 1e-5) << name;
    Adapter::detach(golden.decoder());
    EXPECT_GE(relative_difference(got, logits_of(golden, ids)), 1e-3)
        << name << " changes too little to tell";
  }
}

TEST(AdapterFiles, EveryRefusedConfigNamesItsField) {
  const io::Json refused = cases("refused");
  ASSERT_GE(refused.size(), 10U);
  for (const auto& [name, field] : refused.items()) {
    const std::filesystem::path folder = adapters() / "refused" / name;
    const std::string error = error_of([&] { load_peft_config(folder); });
    const std::string file = (folder / "adapter_config.json").string();
    EXPECT_TRUE(error.starts_with("[load] " + file + ": ")) << error;
    EXPECT_NE(error.find("field \"" + field.get<std::string>() + "\": found "), std::string::npos) << error;
  }
}

/// A folder with llama's adapter, whose config or weights a test then spoils.
class SpoiltAdapter : public ::testing::Test {
 protected:
  SpoiltAdapter() : golden_("llama") { start_from(golden_.folder() / "adapter"); }

  void start_from(const std::filesystem::path& adapter) {
    for (const char* file : {kAdapterConfigFile, kAdapterWeightsFile}) {
      std::filesystem::copy_file(adapter / file, folder_ / file,
                                 std::filesystem::copy_options::overwrite_existing);
    }
  }
  void set(const std::string& field, const io::Json& value) {
    io::Json config = io::read_json_file(folder_ / kAdapterConfigFile);
    config[field] = value;
    io::write_json_file(folder_ / kAdapterConfigFile, config);
  }
  /// Writes the weights anew, as `change` alters their list: an empty name leaves a tensor out.
  template <class Change>
  void rewrite(Change change) {
    const io::SafetensorsFile old(golden_.folder() / "adapter" / kAdapterWeightsFile);
    std::vector<io::TensorSpec> specs;
    for (const io::TensorView& tensor : old.tensors()) {
      io::TensorSpec spec{tensor.name, tensor.dtype, tensor.shape};
      change(spec);
      if (!spec.name.empty()) specs.push_back(spec);
    }
    io::SafetensorsWriter writer(folder_ / kAdapterWeightsFile, specs);
    for (const io::TensorSpec& spec : specs) {
      Index size = size_of(spec.dtype);
      for (const Index side : spec.shape) size *= side;
      writer.write(spec.name, std::vector<std::byte>(static_cast<std::size_t>(size)));
    }
    writer.finish();
  }
  void change_last_value(const std::string& tensor) {
    const std::filesystem::path path = folder_ / kAdapterWeightsFile;
    std::string file = io::get(path);
    const io::SafetensorsFile mapped(path);
    const std::span<const std::byte> bytes = mapped.at(tensor).bytes;
    const std::size_t begin =
        file.find(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    file[begin + bytes.size() - 1] ^= 1;  // the high byte: sign and most of the exponent
    io::put(path, file);
  }
  [[nodiscard]] std::string error() {
    return error_of([&] { load_adapter(folder_.path(), golden_.decoder()); });
  }
  void expect_error(std::string_view part) {
    const std::string text = error();
    EXPECT_TRUE(text.starts_with("[load] " + folder_.path().string())) << text;
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }

  GoldenCase golden_;
  ScratchFolder folder_;
};

constexpr const char* kQueryA = "base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight";

TEST_F(SpoiltAdapter, IsFineBeforeItIsSpoilt) {
  EXPECT_EQ(error(), "no error");
}

TEST_F(SpoiltAdapter, MissingFiles) {
  std::filesystem::remove(folder_ / kAdapterWeightsFile);
  expect_error("adapter_model.safetensors is missing");
  std::filesystem::remove(folder_ / kAdapterConfigFile);
  expect_error("adapter_config.json is missing; expected a PEFT adapter folder");
}

TEST_F(SpoiltAdapter, ConfigThatIsNoObject) {
  io::put(folder_ / kAdapterConfigFile, "[1]");
  expect_error("found a JSON array; expected an object");
  io::put(folder_ / kAdapterConfigFile, "{\"r\": ");
  EXPECT_TRUE(error().starts_with("[")) << error();
}

TEST_F(SpoiltAdapter, NumbersOutOfRange) {
  set("r", 0);
  expect_error("field \"r\": found 0");
  set("r", 2.5);
  expect_error("field \"r\": found 2.5");
  set("r", 4);
  set("lora_alpha", 0);
  expect_error(
      "adapter_config.json: lora_alpha: found 0; expected a number other than 0, from 1e-30 to 1e30");
  // Neither alpha nor alpha / rank may leave float32, in which kernels take it.
  for (const double alpha : {1e308, 1e300, 4e38, -1e31, 1e-31, 1e-300}) {
    set("lora_alpha", alpha);
    expect_error(
        fmt::format("adapter_config.json: lora_alpha: found {}; expected a number other than 0", alpha));
    set("lora_alpha", 8);
    set("alpha_pattern", {{"q_proj", alpha}});
    expect_error("adapter_config.json: field \"alpha_pattern.q_proj\": found ");
    set("alpha_pattern", nullptr);
  }
  for (const double alpha : {1e30, -1e-30}) {
    set("lora_alpha", alpha);
    EXPECT_EQ(error(), "no error");
  }
  set("lora_alpha", 8);
  set("lora_dropout", 1.0);
  expect_error("lora_dropout: found 1; expected at least 0 and below 1");
}

TEST_F(SpoiltAdapter, PatternsThatCannotBe) {
  set("rank_pattern", {"q_proj"});
  expect_error("field \"rank_pattern\": found [\"q_proj\"]; expected an object with integers from 1 to");
  for (const io::Json& rank : {io::Json(0), io::Json(-3), io::Json(2.0), io::Json("4"), io::Json(1 << 21),
                               io::Json(18446744073709551615ULL)}) {
    set("rank_pattern", {{"q_proj", rank}});
    expect_error("field \"rank_pattern.q_proj\": found " + rank.dump() + "; expected integers from 1 to");
  }
  set("rank_pattern", {{"q_proj", 3}});
  expect_error("this model and adapter_config.json say [3,32]");
  set("rank_pattern", {{"(q_proj", 4}});
  expect_error("field \"rank_pattern\": found \"(q_proj\", malformed at character 7");
  set("rank_pattern", {{"q_proj", 4}, {"wq", 7}});  // a key that matches nothing is PEFT's to warn of
  EXPECT_EQ(error(), "no error");
  set("alpha_pattern", 4);
  expect_error("field \"alpha_pattern\": found 4; expected an object with numbers other than 0");
  for (const io::Json& alpha : {io::Json(0), io::Json(true), io::Json(nullptr)}) {
    set("alpha_pattern", {{"q_proj", alpha}});
    expect_error("field \"alpha_pattern.q_proj\": found " + alpha.dump() +
                 "; expected numbers other than 0, from 1e-30 to 1e30 in size");
  }
  for (const io::Json& off : {io::Json(nullptr), io::Json::object()}) {
    set("alpha_pattern", off);
    EXPECT_EQ(error(), "no error");
  }
}

TEST_F(SpoiltAdapter, FieldsOfLaterVersionsAreRefusedUnlessTheySayOff) {
  for (const io::Json& off : {io::Json(nullptr), io::Json(false), io::Json::object(), io::Json::array()}) {
    set("use_something_new", off);
    EXPECT_EQ(error(), "no error") << off;
  }
  set("use_something_new", true);
  expect_error("field \"use_something_new\": found true; not supported");
}

TEST_F(SpoiltAdapter, MissingModule) {
  rewrite([](io::TensorSpec& spec) {
    if (spec.name.find("layers.1.self_attn.q_proj") != std::string::npos) spec.name.clear();
  });
  expect_error(std::string("tensor \"") + kQueryA + "\" is missing; adapter for another model?");
}

TEST_F(SpoiltAdapter, HalfAModule) {
  rewrite([](io::TensorSpec& spec) {
    if (spec.name == kQueryA) spec.name.clear();
  });
  expect_error(kQueryA);
}

TEST_F(SpoiltAdapter, ModuleThatTheConfigDoesNotSelect) {
  set("target_modules", {"q_proj"});
  expect_error("is not among the layers that target_modules selects");
}

TEST_F(SpoiltAdapter, WrongShape) {
  rewrite([](io::TensorSpec& spec) {
    if (spec.name == kQueryA) spec.shape = {4, 33};
  });
  expect_error(std::string("tensor \"") + kQueryA +
               "\" is [4,33]; this model and adapter_config.json say [4,32]");
}

TEST_F(SpoiltAdapter, WrongType) {
  rewrite([](io::TensorSpec& spec) {
    if (spec.name == kQueryA) spec.dtype = DType::kI32;
  });
  expect_error("has type I32; supported: F32, F16, BF16");
}

TEST_F(SpoiltAdapter, UnknownTensor) {
  rewrite([](io::TensorSpec& spec) {
    if (spec.name == kQueryA)
      spec.name = "base_model.model.model.layers.1.self_attn.q_proj.lora_magnitude_vector";
  });
  expect_error("lora_magnitude_vector\" is not supported; expected names like");
}

TEST_F(SpoiltAdapter, HeadOfAnotherModel) {
  start_from(adapters() / "accepted" / "head");
  EXPECT_EQ(error(), "no error");
  const std::string head = "base_model.model.lm_head.base_layer.weight";
  change_last_value(head);
  expect_error("tensor \"" + head + "\" differs from the model's own; expected an adapter that keeps it");
}

TEST_F(SpoiltAdapter, TruncatedWeights) {
  const std::string bytes = io::get(folder_ / kAdapterWeightsFile);
  io::put(folder_ / kAdapterWeightsFile, bytes.substr(0, bytes.size() - 4));
  EXPECT_NE(error().find(kAdapterWeightsFile), std::string::npos) << error();
}

TEST(AdapterFiles, AdaptersOfOtherModelsAreRefused) {
  GoldenCase golden("llama");
  // Another width, other modules, more layers.
  for (const char* other : {"llama_linear", "gpt2", "qwen3"}) {
    const std::filesystem::path folder = golden_folder() / "families" / other / "adapter";
    const std::string error = error_of([&] { load_adapter(folder, golden.decoder()); });
    EXPECT_TRUE(error.starts_with("[load] " + folder.string())) << error;
  }
}

TEST(AdapterFiles, SavedConfigHasTheFieldsThatEveryPeftKnows) {
  GoldenCase golden("gpt2");
  PeftConfig config;
  config.r = 3;
  config.lora_alpha = 4.5F;
  config.lora_dropout = 0.25F;
  config.target_modules = parse_target_modules("c_attn");
  config.init_lora_weights = LoraInit::kGaussian;
  config.base_model_name_or_path = "some/model";
  const ScratchFolder folder;
  save_adapter(folder.path(), Adapter::create(config, golden.decoder(), 1));
  const io::Json written = io::read_json_file(folder / kAdapterConfigFile);
  const io::Json expected = {{"base_model_name_or_path", "some/model"},
                             {"bias", "none"},
                             {"fan_in_fan_out", true},
                             {"inference_mode", true},
                             {"init_lora_weights", "gaussian"},
                             {"lora_alpha", 4.5},
                             {"lora_dropout", 0.25},
                             {"modules_to_save", nullptr},
                             {"peft_type", "LORA"},
                             {"r", 3},
                             {"target_modules", {"c_attn"}},
                             {"task_type", "CAUSAL_LM"}};
  EXPECT_EQ(written, expected);
  EXPECT_EQ(folder.names(), (std::vector<std::string>{kAdapterConfigFile, kAdapterWeightsFile}));
}

TEST(AdapterFiles, PatternsComeBackInTheirOrder) {
  PeftConfig config;
  config.target_modules = parse_target_modules("q_proj");
  config.rank_pattern = {{"q_proj", 4}, {"layers.1.self_attn.q_proj", 2}, {".*", 3}};
  config.alpha_pattern = {{"z", 0.5}, {"a", -12.0}};
  const ScratchFolder folder;
  save_peft_config(folder.path(), config);
  const PeftConfig read = load_peft_config(folder.path());
  EXPECT_EQ(read.rank_pattern, config.rank_pattern);
  EXPECT_EQ(read.alpha_pattern, config.alpha_pattern);
  const std::string text = io::get(folder / kAdapterConfigFile);
  EXPECT_NE(text.find("\"a\": -12\n"), std::string::npos) << text;  // a whole number as one
}

TEST(AdapterFiles, FreshAdapterHasTheRanksOfThePatterns) {
  GoldenCase golden("llama");
  PeftConfig config;
  config.r = 8;
  config.lora_alpha = 16;
  config.target_modules = parse_target_modules("q_proj,v_proj");
  config.rank_pattern = {{"layers.1.self_attn.q_proj", 2}, {"v_proj", 5}};
  config.alpha_pattern = {{"q_proj", 3}};
  const Adapter adapter = Adapter::create(config, golden.decoder(), 1);
  ASSERT_EQ(adapter.entries().size(), 4U);
  const std::vector<std::pair<Index, float>> want = {
      {8, 3.0F / 8}, {5, 16.0F / 5}, {2, 1.5F}, {5, 16.0F / 5}};
  for (std::size_t i = 0; i < want.size(); ++i) {
    const nn::LowRankUpdate& update = adapter.entries()[i]->update;
    EXPECT_EQ(update.rank, want[i].first) << i;
    EXPECT_EQ(update.a.rows(), want[i].first) << i;
    EXPECT_EQ(update.b_transposed.rows(), want[i].first) << i;
    EXPECT_EQ(update.scale, want[i].second) << i;
  }
  EXPECT_EQ(adapter.count_parameters(), (8 + 5 + 2 + 5) * (32 + 32));
  config.rank_pattern.emplace_back("k_proj", 3);
  EXPECT_EQ(error_of([&] { Adapter::create(config, golden.decoder(), 1); }),
            "[lora] \"rank_pattern\": key \"k_proj\" matches none of the chosen layers; expected one like "
            "\"model.layers.0.self_attn.q_proj\"");
  config.rank_pattern = {{"q_proj", 0}};
  EXPECT_EQ(error_of([&] { Adapter::create(config, golden.decoder(), 1); }),
            "[lora]: rank: found 0; expected at least 1");
}

TEST(AdapterFiles, UnwritableFolderLeavesNothing) {
  GoldenCase golden("llama");
  const ScratchFolder folder;
  const std::string error = error_of([&] { save_adapter(folder / "absent", golden.adapter()); });
  EXPECT_NE(error.find("absent"), std::string::npos) << error;
  EXPECT_TRUE(folder.names().empty());
}

}  // namespace
}  // namespace lorry::model
