// Updates of c_attn's parts: what they compute, against loralib and against the one update that files hold;
// what comes back from files, and which files are refused.
#include "model/stacked_parts.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "io/io_support.hpp"
#include "io/json_file.hpp"
#include "io/safetensors_writer.hpp"
#include "model/golden_case.hpp"
#include "model/inspect.hpp"
#include "model/peft_names.hpp"
#include "optim/optimizer.hpp"
#include "support/random_matrix.hpp"

namespace lorry::model {
namespace {

using io::error_of;
using io::ScratchFolder;

constexpr Index kWidth = 36;
constexpr const char* kMap = "transformer.h.0.attn.c_attn";

/// A fresh adapter with nothing zero in it.
Adapter random_adapter(const PeftConfig& config, Decoder& decoder) {
  Adapter adapter = Adapter::create(config, decoder, 1);
  std::uint64_t seed = 300;
  for (auto& entry : adapter.entries()) testing::fill_random(entry->update.b_transposed, ++seed, 0.3F);
  return adapter;
}

PeftConfig config_of(const char* targets) {
  PeftConfig config;
  config.r = 4;
  config.lora_alpha = 6;
  config.target_modules = parse_target_modules(targets);
  return config;
}

/// Three parts of unequal ranks and, where `mixed`, scales that are no powers of two of each other.
PeftConfig uneven_config(bool mixed) {
  PeftConfig config = config_of("q_proj,k_proj,c_attn.v,mlp.c_proj");
  config.rank_pattern = {{"k_proj", 2}, {"h.1.attn.c_attn.v", 5}};
  config.alpha_pattern = {{"k_proj", mixed ? 2.1 : 6.0}, {"h.1.attn.c_attn.v", mixed ? 7.0 : 7.5}};
  return config;
}

Matrix logits_of(GoldenCase& golden, Adapter& adapter) {
  adapter.attach(golden.decoder());
  const data::Batch batch = pack({golden.document(0), golden.document(1)});
  Matrix logits(batch.rows(), golden.decoder().config().vocab_size);
  Decoder::Workspace workspace;
  golden.decoder().logits(batch, workspace, logits);
  Adapter::detach(golden.decoder());
  return logits;
}

const nn::LowRankUpdate& update_of(const Adapter& adapter, const std::string& module) {
  const auto found = std::find_if(adapter.entries().begin(), adapter.entries().end(),
                                  [&](const auto& entry) { return entry->module == module; });
  LORRY_CHECK(found != adapter.entries().end());
  return (*found)->update;
}

void expect_same(const Adapter& got, const Adapter& want) {
  ASSERT_EQ(got.entries().size(), want.entries().size());
  for (std::size_t i = 0; i < want.entries().size(); ++i) {
    const Adapter::Entry& x = *got.entries()[i];
    const Adapter::Entry& y = *want.entries()[i];
    EXPECT_EQ(x.module, y.module);
    EXPECT_EQ(x.part, y.part);
    EXPECT_EQ(x.update.scale, y.update.scale) << x.module;
    EXPECT_TRUE(testing::same_bits(x.update.a, y.update.a)) << x.module;
    EXPECT_TRUE(testing::same_bits(x.update.b_transposed, y.update.b_transposed)) << x.module;
  }
}

// --- against loralib: tests/golden/families/gpt2/merged_linear.safetensors ---

/// Rows [first, first + count) of a golden matrix.
Matrix rows_of(const Matrix& from, Index first, Index count) {
  Matrix to(count, from.cols());
  std::memcpy(to.view().data, from.row<float>(first), static_cast<std::size_t>(to.bytes()));
  return to;
}

/// MergedLinear's A [8,36] and B [24,4] have q's and v's halves one below another.
class MergedLinear : public ::testing::Test {
 protected:
  MergedLinear()
      : golden_("gpt2"), adapter_(Adapter::create(config_of("q_proj,v_proj"), golden_.decoder(), 1)) {
    golden_.use_reference(golden_.folder() / "merged_linear.safetensors");
    for (auto& entry : adapter_.entries()) {
      entry->update.a = half("start.", *entry, "lora_A");
      entry->update.b_transposed = transposed(half("start.", *entry, "lora_B"));
    }
    adapter_.attach(golden_.decoder());
  }

  [[nodiscard]] Matrix half(const std::string& prefix, const Adapter::Entry& entry, const char* name) const {
    const Matrix both = golden_.tensor(prefix + entry.map() + "." + name);
    const Index rows = both.rows() / 2;
    return rows_of(both, entry.part->name == "v" ? rows : 0, rows);
  }
  /// The worst relative difference of what `prefix` names to the adapter's values or gradients.
  void expect_near(const std::string& prefix, bool gradients, double most) const {
    for (const auto& entry : adapter_.entries()) {
      const nn::LowRankUpdate& update = entry->update;
      const Matrix& a = gradients ? update.a_gradient : update.a;
      const Matrix& b = gradients ? update.b_gradient : update.b_transposed;
      EXPECT_LE(relative_difference(a, half(prefix, *entry, "lora_A")), most) << entry->module;
      EXPECT_LE(relative_difference(transposed(b), half(prefix, *entry, "lora_B")), most) << entry->module;
    }
  }

  GoldenCase golden_;
  Adapter adapter_;
};

TEST_F(MergedLinear, LogitsAreTheSame) {
  for (Index i = 0; i < 3; ++i) {
    GoldenCase documents("gpt2");
    const data::Batch batch = pack({documents.document(i)});
    Matrix logits(batch.rows(), golden_.decoder().config().vocab_size);
    Decoder::Workspace workspace;
    golden_.decoder().logits(batch, workspace, logits);
    const Matrix want = golden_.tensor("document." + std::to_string(i) + ".logits_adapter");
    EXPECT_LE(relative_difference(logits, want), 1e-5);
    EXPECT_GE(relative_difference(documents.tensor("document." + std::to_string(i) + ".logits_base"), want),
              1e-2);  // else the test shows nothing
  }
}

TEST_F(MergedLinear, GradientsAndTwentyStepsAreTheSame) {
  const GoldenCase documents("gpt2");
  const data::Batch batch = pack(documents.documents());
  optim::Optimizer optimizer(golden_.ops(), adapter_.parameters(), {.weight_decay = 0.01});
  Decoder::Workspace workspace;
  const auto targets = static_cast<float>(batch.target_count);
  const double loss =
      golden_.decoder().loss_and_gradient(batch, {.gradient_scale = 1.0F / targets}, workspace);
  EXPECT_NEAR(loss / targets, golden_.scalar("loss_adapter"), 1e-5);
  expect_near("grad.", true, 1e-4);
  const Matrix losses = golden_.tensor("train.losses");
  for (Index step = 0; step < losses.cols(); ++step) {
    const data::Batch part = pack(documents.training_documents(step));
    adapter_.zero_gradients();
    const auto count = static_cast<float>(part.target_count);
    const double part_loss =
        golden_.decoder().loss_and_gradient(part, {.gradient_scale = 1.0F / count}, workspace);
    EXPECT_NEAR(part_loss / count, losses.row<float>(0)[step], 1e-4) << "step " << step;
    optimizer.step(2e-3);
  }
  expect_near("trained.", false, 1e-3);  // Adam amplifies what float32 rounds differently
}

// --- against the stacked update ---

TEST(StackedParts, HaveBlocksAndZeros) {
  GoldenCase golden("gpt2");
  const Adapter adapter = random_adapter(config_of("q_proj,v_proj"), golden.decoder());
  const Adapter stacked = stack_parts(adapter);
  ASSERT_EQ(stacked.entries().size(), 2U);
  EXPECT_FALSE(stacked.has_parts());
  const nn::LowRankUpdate& all = update_of(stacked, kMap);
  EXPECT_EQ(all.rank, 8);
  EXPECT_EQ(all.scale, 1.5F);
  const nn::LowRankUpdate& v = update_of(adapter, std::string(kMap) + ".v");
  for (Index r = 0; r < 4; ++r) {
    for (Index i = 0; i < kWidth; ++i) {
      EXPECT_EQ(all.a.row<float>(4 + r)[i], v.a.row<float>(r)[i]);
      EXPECT_EQ(all.b_transposed.row<float>(4 + r)[2 * kWidth + i], v.b_transposed.row<float>(r)[i]);
      EXPECT_EQ(all.b_transposed.row<float>(4 + r)[i], 0.0F);
      EXPECT_EQ(all.b_transposed.row<float>(r)[kWidth + i], 0.0F);
      EXPECT_EQ(all.b_transposed.row<float>(r)[2 * kWidth + i], 0.0F);
    }
  }
}

TEST(StackedParts, ComputeTheSameLogits) {
  GoldenCase golden("gpt2");
  for (const bool mixed : {false, true}) {
    Adapter adapter = random_adapter(uneven_config(mixed), golden.decoder());
    Adapter stacked = stack_parts(adapter);
    const Matrix logits = logits_of(golden, adapter);
    EXPECT_LE(relative_difference(logits_of(golden, stacked), logits), 1e-6);
    Adapter none{PeftConfig{}};
    EXPECT_GE(relative_difference(logits_of(golden, none), logits), 0.01);
  }
}

TEST(StackedParts, GradientsAreBlocksOfTheStackedOnesWithDropoutToo) {
  GoldenCase golden("gpt2");
  PeftConfig config = config_of("q_proj,v_proj");
  config.lora_dropout = 0.3;
  Adapter adapter = random_adapter(config, golden.decoder());
  Adapter stacked = stack_parts(adapter);
  const data::Batch batch = pack(golden.documents());
  for (Adapter* each : {&adapter, &stacked}) {
    each->attach(golden.decoder());
    const std::vector<optim::Parameter> parameters = each->parameters();  // makes the gradients
    EXPECT_FALSE(parameters.empty());
    Decoder::Workspace workspace;
    golden.decoder().loss_and_gradient(batch, {.dropout_seed = 9}, workspace);
  }
  for (const auto& entry : adapter.entries()) {
    const nn::LowRankUpdate& all = update_of(stacked, entry->map());
    const nn::LowRankUpdate& part = entry->update;
    const Index row = entry->part->name == "q" ? 0 : 4;
    const ConstMatrixView b = all.b_gradient.view().row_range(row, 4).col_range(entry->part->first, kWidth);
    EXPECT_LE(relative_difference(part.a_gradient, all.a_gradient.view().row_range(row, 4)), 1e-5);
    EXPECT_LE(relative_difference(part.b_gradient, b), 1e-5);
    EXPECT_GT(golden.ops().sum_of_squares(part.b_gradient), 1e-6);
  }
}

TEST(StackedParts, ScalesThatDifferAreFoldedIntoB) {
  GoldenCase golden("gpt2");
  PeftConfig config = config_of("q_proj,k_proj,v_proj");
  config.alpha_pattern = {{"q_proj", 24}};  // four times the others' scale
  const Adapter adapter = random_adapter(config, golden.decoder());
  const Adapter stacked = stack_parts(adapter);
  const nn::LowRankUpdate& all = update_of(stacked, kMap);
  EXPECT_EQ(all.scale, 1.5F);  // of k and v
  for (const auto& [part, factor] : {std::pair("q", 4.0F), std::pair("k", 1.0F), std::pair("v", 1.0F)}) {
    const nn::LowRankUpdate& own = update_of(adapter, std::string(kMap) + "." + part);
    const Index at = *part == 'q' ? 0 : *part == 'k' ? 1 : 2;
    EXPECT_EQ(all.b_transposed.row<float>(4 * at)[kWidth * at], factor * own.b_transposed.row<float>(0)[0]);
  }
}

// --- files ---

TEST(PartFiles, ComeBackAsTheyWere) {
  GoldenCase golden("gpt2");
  PeftConfig power = uneven_config(false);
  power.alpha_pattern.emplace_back("q_proj", 12.0);  // twice the scale of the others: exact in B
  for (const PeftConfig& config : {config_of("c_attn.v"), uneven_config(false), power}) {
    const Adapter adapter = random_adapter(config, golden.decoder());
    const ScratchFolder folder;
    save_adapter(folder.path(), adapter);
    const Adapter read = load_adapter(folder.path(), golden.decoder());
    expect_same(read, adapter);
    const ScratchFolder again;
    save_adapter(again.path(), read);
    for (const char* file : {kAdapterConfigFile, kAdapterWeightsFile}) {
      EXPECT_EQ(io::get(again / file), io::get(folder / file));
    }
    expect_same(load_adapter(folder.path(), golden.decoder(), PartsAs::kStacked), stack_parts(adapter));
  }
}

TEST(PartFiles, OfScalesThatAreNoPowersOfTwoComeBackToTheLastBits) {
  GoldenCase golden("gpt2");
  const Adapter adapter = random_adapter(uneven_config(true), golden.decoder());
  const ScratchFolder folder;
  save_adapter(folder.path(), adapter);
  const Adapter read = load_adapter(folder.path(), golden.decoder());
  ASSERT_EQ(read.entries().size(), adapter.entries().size());
  for (std::size_t i = 0; i < adapter.entries().size(); ++i) {
    const nn::LowRankUpdate& got = read.entries()[i]->update;
    const nn::LowRankUpdate& want = adapter.entries()[i]->update;
    EXPECT_EQ(got.scale, want.scale);
    EXPECT_TRUE(testing::same_bits(got.a, want.a));
    EXPECT_LE(relative_difference(got.b_transposed, want.b_transposed), 1e-7);  // rounded twice
  }
}

TEST(PartFiles, ArePlainPeftAdaptersOfTheMap) {
  GoldenCase golden("gpt2");
  PeftConfig config = config_of("q_proj,v_proj,attn.c_proj");
  config.base_model_name_or_path = "some/model";
  const ScratchFolder folder;
  save_adapter(folder.path(), Adapter::create(config, golden.decoder(), 1));
  const PeftConfig written = load_peft_config(folder.path());
  EXPECT_EQ(written.target_modules.names, (std::vector<std::string>{"c_attn", "transformer.h.0.attn.c_proj",
                                                                    "transformer.h.1.attn.c_proj"}));
  EXPECT_EQ(written.r, 4);
  EXPECT_EQ(written.rank_pattern, (ModulePattern<Index>{{"c_attn", 8}}));
  EXPECT_EQ(written.alpha_pattern, (ModulePattern<double>{{"c_attn", 12}}));
  const io::SafetensorsFile file(folder / kAdapterWeightsFile);
  EXPECT_EQ(file.metadata().at("format"), "pt");
  EXPECT_EQ(file.at(peft_name(kMap, kLoraA)).shape, (std::vector<Index>{8, kWidth}));
  EXPECT_EQ(file.at(peft_name(kMap, kLoraB)).shape, (std::vector<Index>{3 * kWidth, 8}));
  EXPECT_EQ(file.tensors().size(), 8U);
}

TEST(PartFiles, CountWhatTrains) {
  GoldenCase golden("gpt2");
  const Adapter adapter = random_adapter(uneven_config(true), golden.decoder());
  const Index want = (4 + 2 + 4 + 4 + 2 + 5) * (kWidth + kWidth) + 2 * 4 * (4 * kWidth + kWidth);
  EXPECT_EQ(adapter.count_parameters(), want);
  const ScratchFolder folder;
  save_adapter(folder.path(), adapter);
  const AdapterSummary summary = inspect_adapter(folder.path());
  EXPECT_EQ(summary.parameters, want);
  ASSERT_EQ(summary.modules.size(), 8U);
  for (const AdapterModule& module : summary.modules) {
    const nn::LowRankUpdate& update = update_of(adapter, module.name);
    EXPECT_EQ(module.rank, update.rank) << module.name;
    EXPECT_EQ(module.outputs, update.b_transposed.cols()) << module.name;
    EXPECT_NEAR(module.scale, static_cast<double>(update.scale), 1e-12) << module.name;
    EXPECT_NEAR(module.norm_a, std::sqrt(golden.ops().sum_of_squares(update.a)), 1e-6) << module.name;
    EXPECT_NEAR(module.norm_b, std::sqrt(golden.ops().sum_of_squares(update.b_transposed)), 1e-6)
        << module.name;
  }
}

/// A folder with parts q and v, whose record or numbers a test then spoils.
class SpoiltParts : public ::testing::Test {
 protected:
  SpoiltParts() : golden_("gpt2") {
    save_adapter(folder_.path(), random_adapter(config_of("q_proj,v_proj"), golden_.decoder()));
    const io::SafetensorsFile file(folder_ / kAdapterWeightsFile);
    record_ = io::Json::parse(file.metadata().at(kPartsKey));
  }

  /// Writes the file anew with this metadata; B of kMap gets `value` at [row, col].
  void rewrite(const std::map<std::string, std::string>& metadata, Index row = 0, Index col = 0,
               float value = 1.0F) {
    std::string bytes = io::get(folder_ / kAdapterWeightsFile);
    io::put(folder_ / "old", bytes);
    const io::SafetensorsFile old(folder_ / "old");
    std::vector<io::TensorSpec> specs;
    for (const io::TensorView& tensor : old.tensors())
      specs.push_back({tensor.name, tensor.dtype, tensor.shape});
    io::SafetensorsWriter writer(folder_ / kAdapterWeightsFile, specs, metadata);
    for (const io::TensorView& tensor : old.tensors()) {
      std::vector<float> values(static_cast<std::size_t>(tensor.elements()));
      std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
      if (tensor.name == peft_name(kMap, kLoraB)) values[static_cast<std::size_t>(row * 8 + col)] = value;
      writer.write(tensor.name, std::as_bytes(std::span(values)));
    }
    writer.finish();
  }
  [[nodiscard]] std::string error_with(const std::string& record) {
    rewrite({{"format", "pt"}, {kPartsKey, record}});
    return error_of([&] { load_adapter(folder_.path(), golden_.decoder()); });
  }
  void expect_error(const io::Json& record, std::string_view words) {
    const std::string error = error_with(record.dump());
    EXPECT_TRUE(error.starts_with("[load] " + (folder_ / kAdapterWeightsFile).string())) << error;
    EXPECT_NE(error.find(words), std::string::npos) << error << "  lacks: " << words;
  }
  /// The record with one field of one part changed.
  [[nodiscard]] io::Json with(std::size_t part, const char* field, const io::Json& value) const {
    io::Json record = record_;
    record[kMap][part][field] = value;
    return record;
  }

  GoldenCase golden_;
  ScratchFolder folder_;
  io::Json record_;
};

TEST_F(SpoiltParts, WithoutTheRecordAreAnOrdinaryAdapter) {
  EXPECT_EQ(error_with(record_.dump()), "no error");
  rewrite({{"format", "pt"}}, 50, 3);  // also where nothing is zero any more
  const Adapter read = load_adapter(folder_.path(), golden_.decoder());
  EXPECT_FALSE(read.has_parts());
  EXPECT_EQ(update_of(read, kMap).rank, 8);
}

TEST_F(SpoiltParts, NumbersOutsideOfThePartsAreRefused) {
  const std::map<std::string, std::string> metadata = {{"format", "pt"}, {kPartsKey, record_.dump()}};
  const auto error_at = [&](Index row, Index col) {
    rewrite(metadata, row, col);
    const std::string error = error_of([&] { load_adapter(folder_.path(), golden_.decoder()); });
    rewrite(metadata, row, col, 0.0F);
    return error;
  };
  EXPECT_EQ(error_at(0, 0), "no error");
  EXPECT_EQ(error_at(107, 7), "no error");
  EXPECT_NE(error_at(36, 0).find("is not zero outside of part \"q\"; expected zeros"), std::string::npos);
  EXPECT_NE(error_at(107, 3).find("outside of part \"q\""), std::string::npos);
  EXPECT_NE(error_at(0, 4).find("outside of part \"v\""), std::string::npos);
  EXPECT_NE(error_at(71, 7).find("outside of part \"v\""), std::string::npos);
}

TEST_F(SpoiltParts, RecordsThatCannotBeAreRefused) {
  EXPECT_NE(error_with("{").find(kPartsKey), std::string::npos) << error_with("{");
  expect_error(io::Json::array(), "found array; expected an object");
  expect_error({{kMap, 3}}, "found number; expected a list");
  expect_error({{kMap, {3}}}, "found number; expected an object");
  expect_error({{"transformer.h.7.attn.c_attn", record_[kMap]}}, "without lora_A and lora_B");
  expect_error(with(0, "rank", 0), "field \"rank\": found 0");
  expect_error(with(0, "rank", 9), "field \"rank\": found 9");
  expect_error(with(1, "rank", 3), "found parts of 7 ranks together; lora_A has 8");
  expect_error(with(0, "rank", 8), "found more parts than rank 8");
  expect_error(with(0, "first_output", -1), "field \"first_output\": found -1");
  expect_error(with(1, "first_output", 35), "field \"first_output\": found 35");
  expect_error(with(1, "outputs", 37), "field \"outputs\": found 37");
  expect_error(with(0, "scale", 0), "field \"scale\": found 0");
  expect_error(with(0, "scale", 1e300), "field \"scale\": found inf");
  expect_error(with(0, "name", "a.b"), "field \"name\": found \"a.b\"");
  expect_error(with(0, "name", nullptr), "field \"name\"");
  expect_error(with(0, "name", "w"), "found part \"w\" of \"transformer.h.0.attn.c_attn\"");
  expect_error(with(0, "outputs", 35), "outputs 0 to 34; this model has no such part");
}

}  // namespace
}  // namespace lorry::model
