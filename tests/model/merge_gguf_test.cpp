// Merging into GGUF files: types, keys and rows stay where they are, and the report says what is in the file.
#include <gtest/gtest.h>

#include <set>

#include "io/gguf.hpp"
#include "io/io_support.hpp"
#include "model/gguf_names.hpp"
#include "model/golden_case.hpp"
#include "model/loaded_model.hpp"
#include "model/merge.hpp"
#include "model/merged_loss.hpp"
#include "support/near.hpp"
#include "support/random_matrix.hpp"

namespace lorry::model {
namespace {

struct GgufMergeCase {
  const char* name;
  const char* file;
};

/// A GGUF file of tests/golden, and an adapter on it with B far from zero.
class GgufMergeBase {
 public:
  explicit GgufMergeBase(const std::string& file, const std::string& targets = "all-linear")
      : path(golden_folder() / "gguf" / file), model(open_model(path, {}, DType::kF32, 1)) {
    PeftConfig config;
    config.r = 3;
    config.lora_alpha = 6;
    config.target_modules = parse_target_modules(targets);
    config.base_model_name_or_path = path.string();
    adapter = std::make_unique<Adapter>(Adapter::create(config, *model.decoder, 5));
    std::uint64_t seed = 0;
    for (auto& entry : adapter->entries()) {
      testing::fill_random(entry->update.b_transposed, ++seed);
      for (Index i = 0; i < entry->update.b_transposed.size(); ++i) {
        entry->update.b_transposed.row<float>(0)[i] *= 0.05F;
      }
    }
    save();
  }

  void save() const {
    std::filesystem::create_directory(scratch / "adapter");
    save_adapter(scratch / "adapter", *adapter);
  }
  MergeReport merge(const std::string& out, const MergeOptions& options = {}) const {
    return merge_adapter(*model.ops, path, scratch / "adapter", scratch / out, {}, options);
  }

  std::filesystem::path path;
  LoadedModel model;
  io::ScratchFolder scratch;
  std::unique_ptr<Adapter> adapter;
};

/// Of the sum, in a type: a few times what numbers of a normal distribution lose.
double most_lost(std::string_view type) {
  const std::map<std::string_view, double> most = {
      {"F32", 1e-7},  {"F16", 5e-4},  {"BF16", 4e-3}, {"Q8_0", 0.01},  {"Q4_0", 0.15},
      {"Q4_1", 0.12}, {"Q5_0", 0.08}, {"Q5_1", 0.06}, {"Q2_K", 0.4},   {"Q3_K", 0.25},
      {"Q4_K", 0.1},  {"Q5_K", 0.05}, {"Q6_K", 0.03}, {"IQ4_NL", 0.12}};
  return most.at(type);
}

class MergeIntoGguf : public ::testing::TestWithParam<GgufMergeCase> {};

INSTANTIATE_TEST_SUITE_P(Files, MergeIntoGguf,
                         ::testing::Values(GgufMergeCase{"llama_k", "llama-k.gguf"},
                                           GgufMergeCase{"llama_dense", "llama-dense-00001-of-00002.gguf"},
                                           GgufMergeCase{"qwen2", "qwen2.gguf"},
                                           GgufMergeCase{"qwen3", "qwen3.gguf"},
                                           GgufMergeCase{"gpt2", "gpt2.gguf"}),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_P(MergeIntoGguf, KeysTypesAndOtherTensorsStayAndTheReportIsWhatTheFileHolds) {
  const GgufMergeBase base(GetParam().file);
  const MergeReport report = base.merge("merged.gguf", {.threads = 2});
  const io::GgufModel before(base.path);
  const io::GgufFile after(base.scratch / "merged.gguf");
  std::vector<io::GgufPair> kept;
  for (const io::GgufPair& pair : before.files().front().pairs()) {
    if (!pair.key.starts_with("split.")) kept.push_back(pair);
  }
  ASSERT_EQ(after.pairs().size(), kept.size());
  for (std::size_t i = 0; i < kept.size(); ++i) {
    EXPECT_EQ(after.pairs()[i].key, kept[i].key);
    EXPECT_TRUE(same_bytes(after.pairs()[i].value, kept[i].value)) << kept[i].key;
  }
  std::map<std::string, const MergedTensor*> told;
  for (const MergedTensor& tensor : report.adapted) told[tensor.name] = &tensor;
  ASSERT_EQ(after.tensors().size(), before.tensors().size());
  for (const io::GgufTensor& tensor : after.tensors()) {
    const io::GgufTensor& old = *before.find(tensor.name);
    EXPECT_EQ(tensor.type, old.type) << tensor.name;
    EXPECT_EQ(tensor.shape, old.shape) << tensor.name;
    EXPECT_TRUE(told.contains(tensor.name) || same_bytes(tensor.bytes, old.bytes)) << tensor.name;
  }

  const LoadedModel merged = open_model(base.scratch / "merged.gguf", {}, DType::kF32, 1);
  ASSERT_EQ(told.size(), base.adapter->entries().size());
  for (const TensorSpec& spec : list_tensors(base.model.config)) {
    const auto found = told.find(gguf_name(base.model.config, spec));
    if (found == told.end()) continue;
    const auto entry = std::find_if(base.adapter->entries().begin(), base.adapter->entries().end(),
                                    [&](const auto& one) { return one->module == spec.module(); });
    ASSERT_NE(entry, base.adapter->entries().end()) << spec.name;
    const MergedTensor& tensor = *found->second;
    EXPECT_EQ(tensor.type, before.find(tensor.name)->type->name);
    const QuantLoss loss = loss_between(read_matrix(base.model.weights, spec.name),
                                        read_matrix(merged.weights, spec.name), update_of((*entry)->update));
    EXPECT_LT(loss.relative(), most_lost(tensor.type)) << tensor.name << " " << tensor.type;
    EXPECT_GT(std::sqrt(loss.update_squares), 0.05 * std::sqrt(loss.squares)) << "changes too little to tell";
    if (tensor.type == "F32") continue;  // what a sum of float32 loses
    expect_same_loss(tensor.loss, loss, tensor.name);
  }
}

TEST(MergeIntoGgufFiles, FloatsComputeWhatTheBaseWithItsAdapterDoes) {
  GgufMergeBase base("llama-dense-00001-of-00002.gguf");
  const MergeReport report = base.merge("merged.gguf");
  EXPECT_GT(report.loss.kept(), 0.999);
  LoadedModel merged = open_model(base.scratch / "merged.gguf", {}, DType::kF32, 1);
  base.adapter->attach(*base.model.decoder);
  const data::Batch batch = pack({{.ids = {5, 77, 300, 9, 10}, .targets = {-1, -1, -1, -1, -1}}});
  const Matrix want = logits_of(*base.model.decoder, batch);
  // Half of the matrices are BF16 or F16.
  EXPECT_TRUE(testing::near(logits_of(*merged.decoder, batch), ops::reference::dense<double>(want),
                            {.max_rel = 1e-2, .cosine = 1e-4}));
  Adapter::detach(*base.model.decoder);
  EXPECT_FALSE(testing::near(logits_of(*base.model.decoder, batch), ops::reference::dense<double>(want),
                             {.max_rel = 5e-2, .cosine = 1e-3}));
}

/// Rows that an update leaves as they are keep their bytes, whatever encoding them again would give.
TEST(MergeIntoGgufFiles, BlocksWithoutAnUpdateKeepTheirBytes) {
  GgufMergeBase base("llama-k.gguf");
  for (auto& entry : base.adapter->entries()) {
    Matrix& b = entry->update.b_transposed;
    for (Index r = 0; r < b.rows(); ++r) {
      for (Index i = 0; i < b.cols(); i += 2) b.row<float>(r)[i] = 0.0F;
    }
  }
  base.save();
  const MergeReport report = base.merge("merged.gguf");
  const LoadedModel merged = open_model(base.scratch / "merged.gguf", {}, DType::kF32, 1);
  Index changed = 0;
  for (const auto& entry : base.adapter->entries()) {
    const Matrix before = read_matrix(base.model.weights, entry->module + ".weight");
    const Matrix after = read_matrix(merged.weights, entry->module + ".weight");
    for (Index i = 0; i < before.rows(); ++i) {
      const bool same =
          std::equal(before.row<float>(i), before.row<float>(i) + before.cols(), after.row<float>(i));
      EXPECT_TRUE(same || i % 2 == 1) << entry->module << " row " << i;
      changed += same ? 0 : 1;
    }
  }
  EXPECT_GT(changed, 100);
}

/// Trained copies stand in place of the file's tensors; the same in NF4 where they are of quantised ones.
TEST(MergeIntoGgufFiles, TrainedCopiesTakeTheTypeOfTheTensorAndTheRestOfItStays) {
  for (const std::string file : {"qwen2.gguf", "llama-k.gguf"}) {
    GgufMergeBase base(file, "q_proj");
    PeftConfig config = base.adapter->config();
    config.modules_to_save = {"lm_head", "v_proj"};
    base.adapter = std::make_unique<Adapter>(Adapter::create(config, *base.model.decoder, 5));
    for (TrainedCopies::Entry& copy : base.adapter->copies().entries()) {
      for (Index j = 0; j < copy.value.cols(); ++j)
        copy.value.row<float>(0)[j] += 0.03F * static_cast<float>(j % 5);
    }
    base.save();
    const MergeReport report = base.merge("merged.gguf");
    const LoadedModel merged = open_model(base.scratch / "merged.gguf", {}, DType::kF32, 1);
    Index matrices = 0;
    for (const TrainedCopies::Entry& copy : base.adapter->copies().entries()) {
      const TensorSpec& spec = copy.spec.tensor;
      const Matrix got = read_matrix(merged.weights, spec.name);
      const auto told = std::find_if(
          report.adapted.begin(), report.adapted.end(),
          [&](const MergedTensor& tensor) { return tensor.name == gguf_name(base.model.config, spec); });
      ASSERT_NE(told, report.adapted.end()) << spec.name;
      EXPECT_GT(told->loss.update_squares, 0.01) << spec.name;
      EXPECT_LE(relative_difference(got, copy.value), most_lost(told->type))
          << spec.name << " " << told->type;
      if (spec.shape.size() == 1) continue;
      ++matrices;
      const Matrix before = read_matrix(base.model.weights, spec.name);
      EXPECT_EQ(relative_difference(got.view().row_range(1, got.rows() - 1),
                                    before.view().row_range(1, got.rows() - 1)),
                0.0)
          << spec.name;
    }
    EXPECT_EQ(matrices, file == "qwen2.gguf" ? 3 : 2) << file;
  }
}

/// Biases of Llama's q and k lie in llama.cpp's order, too.
TEST(MergeIntoGgufFiles, TrainedBiasesGoWhereTheFileHasThem) {
  GgufMergeBase base("llama-dense-00001-of-00002.gguf", "q_proj,k_proj");
  PeftConfig config = base.adapter->config();
  config.bias = BiasTraining::kAll;
  base.adapter = std::make_unique<Adapter>(Adapter::create(config, *base.model.decoder, 5));
  std::uint64_t seed = 9;
  for (TrainedCopies::Entry& copy : base.adapter->copies().entries())
    testing::fill_random(copy.value, ++seed);
  base.save();
  base.merge("merged.gguf");
  const LoadedModel merged = open_model(base.scratch / "merged.gguf", {}, DType::kF32, 1);
  EXPECT_GE(base.adapter->copies().entries().size(), 14U);
  for (const TrainedCopies::Entry& copy : base.adapter->copies().entries()) {
    const std::string& name = copy.spec.tensor.name;
    EXPECT_EQ(relative_difference(read_matrix(merged.weights, name), copy.value), 0.0) << name;
  }
}

TEST(MergeIntoGgufFiles, AChatTemplateOfTheAdapterTakesThePlaceOfTheFiles) {
  GgufMergeBase base("qwen2.gguf");
  io::put(base.scratch / "adapter" / "chat_template.jinja", "{{ messages[0].content }}");
  base.merge("merged.gguf");
  const io::GgufFile after(base.scratch / "merged.gguf");
  EXPECT_EQ(after.metadata().get_string("tokenizer.chat_template"), "{{ messages[0].content }}");
  EXPECT_EQ(after.pairs().size(), io::GgufFile(base.path).pairs().size());
}

TEST(MergeIntoGgufFiles, MistakesAreRefusedAndLeaveNothing) {
  const GgufMergeBase base("llama-k.gguf");
  const auto error = [&](const std::string& out, const MergeOptions& options = {}) {
    return io::error_of([&] { base.merge(out, options); });
  };
  const std::string path = base.path.string();
  EXPECT_EQ(error("folder"), "[merge] " + (base.scratch / "folder").string() +
                                 ": found no name of a GGUF file; expected one that ends with .gguf, as " +
                                 path + " does");
  EXPECT_EQ(error("a.gguf", {.dequantize = true}),
            "[merge] " + path +
                ": found a GGUF file with --dequantize; expected none, since "
                "its tensors keep their types");
  EXPECT_NE(error("a.gguf", {.quantize = BnbOptions{}}).find("with --format; expected none"),
            std::string::npos);
  io::put(base.scratch / "there.gguf", "mine");
  EXPECT_NE(error("there.gguf").find("there.gguf: found a file or folder of that name"), std::string::npos);
  EXPECT_EQ(io::get(base.scratch / "there.gguf"), "mine");
  const std::filesystem::path folder = golden_folder() / "quantized/llama";
  EXPECT_NE(io::error_of([&] {
              merge_adapter(*base.model.ops, folder / "nf4", folder / "../merged/llama/adapter",
                            base.scratch / "b.gguf", {});
            }).find("found the name of a GGUF file; expected that of a folder"),
            std::string::npos);
  EXPECT_EQ(base.scratch.names(), (std::vector<std::string>{"adapter", "there.gguf"}));
}

TEST(MergeIntoGgufFiles, SumsThatTheTypeCannotHoldAreRefusedAndNothingIsLeft) {
  GgufMergeBase base("llama-k.gguf");
  for (auto& entry : base.adapter->entries()) entry->update.b_transposed.row<float>(0)[0] = 1e9F;
  base.save();
  const std::string error = io::error_of([&] { base.merge("merged.gguf"); });
  EXPECT_NE(error.find("found NaN or infinity in the sum; expected numbers that"), std::string::npos)
      << error;
  EXPECT_EQ(base.scratch.names(), std::vector<std::string>{"adapter"});
}

}  // namespace
}  // namespace lorry::model
