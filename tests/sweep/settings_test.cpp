// What is recorded of a cell, and when two records are the same.
#include "train/settings.hpp"

#include "cli/program.hpp"
#include "sweep/sweep_fixture.hpp"
#include "train/digest.hpp"

namespace lorry::sweep {
namespace {

using train::difference;
using train::Digest;
using train::inputs_of;
using train::settings_of;

TEST_F(Sweep, DifferenceNamesTheFirstSettingThatChanged) {
  const io::Json then = settings_of(options_);
  EXPECT_EQ(difference(then, settings_of(options_)), "");
  train::TrainOptions now = options_;
  now.threads = 7;
  now.out = "elsewhere";
  now.grad_checkpoint = true;
  EXPECT_EQ(difference(then, settings_of(now)), "");  // none of these changes a result
  now.steps = 30;
  EXPECT_EQ(difference(then, settings_of(now)), "steps: 3, now 30");
  now.steps.reset();
  now.epochs = 2;
  EXPECT_EQ(difference(then, settings_of(now)), "epochs: none, now 2.0");
}

TEST_F(Sweep, RecordSurvivesItsFile) {
  options_.lr = 0.1 + 0.2;  // no short decimal
  options_.max_grad_norm = 0.1F;
  const io::OrderedJson settings = settings_of(options_);
  io::write_json_file(folder_ / "settings.json", settings);
  EXPECT_EQ(difference(io::read_json_file(folder_ / "settings.json"), settings), "");
}

TEST_F(Sweep, InputsAreKnownByTheirContentNotTheirPath) {
  const io::OrderedJson then = inputs_of(options_, open());
  std::filesystem::rename(folder_ / "data", folder_ / "moved");
  options_.data = folder_ / "moved";
  EXPECT_EQ(difference(then, inputs_of(options_, open())), "");
  const std::string records = io::get(folder_ / "moved" / "train.jsonl");
  io::put(folder_ / "moved" / "train.jsonl", records + cli::counting_records(1));
  EXPECT_EQ(difference(then, inputs_of(options_, open())), "the content of data has changed");
  io::put(folder_ / "moved" / "train.jsonl", records);
  io::put(folder_ / "moved" / "valid.jsonl", records);
  EXPECT_EQ(difference(then, inputs_of(options_, open())), "the content of eval_data has changed");
}

TEST_F(Sweep, DigestOfTheModelSeesOneWeight) {
  const std::string before = train::model_digest(open().model);
  std::string bytes = io::get(options_.model / "model.safetensors");
  const std::size_t header =
      8 + static_cast<unsigned char>(bytes[0]) + 256U * static_cast<unsigned char>(bytes[1]);
  bytes[header] = static_cast<char>(bytes[header] ^ 1);
  io::put(options_.model / "model.safetensors", bytes);
  EXPECT_NE(train::model_digest(open().model), before);
}

TEST_F(Sweep, DigestOfTheModelReadsTheWholeOfASmallModel) {
  const std::string before = train::model_digest(open().model);
  const std::string bytes = io::get(options_.model / "model.safetensors");
  const auto flipped = [&](std::size_t at) {
    std::string other = bytes;
    other[at] = static_cast<char>(other[at] ^ 1);
    io::put(options_.model / "model.safetensors", other);
    return train::model_digest(open().model);
  };
  const std::size_t header =
      8 + static_cast<unsigned char>(bytes[0]) + 256U * static_cast<unsigned char>(bytes[1]);
  for (std::size_t at = header; at < bytes.size(); at += (bytes.size() - header) / 50) {
    EXPECT_NE(flipped(at), before) << at;
  }
  EXPECT_NE(flipped(bytes.size() - 1), before);
}

TEST_F(Sweep, DigestOfALargeModelReadsRowsFromTheFirstToTheLast) {
  constexpr Index kMost = 35'232 * 4 / 8;                        // an eighth of it
  const std::string name = "model.layers.1.mlp.up_proj.weight";  // [64,32] F32: 8 of 64 rows are read
  const auto digest_with_row = [&](Index row, float value) {
    const train::RunInputs inputs = open();
    Matrix matrix(64, 32);
    const ConstMatrixView own = inputs.model.weights.at(name).as_dense();
    for (Index i = 0; i < 64; ++i) std::copy_n(own.row<float>(i), 32, matrix.row<float>(i));
    matrix.row<float>(row)[31] += value;
    model::LoadedModel changed = open().model;
    model::Weights weights;
    for (const model::TensorSpec& spec : model::list_tensors(changed.config)) {
      weights.add(spec.name, spec.name == name ? WeightView(matrix) : inputs.model.weights.at(spec.name));
    }
    changed.weights = std::move(weights);
    return train::model_digest(changed, kMost);
  };
  const std::string before = digest_with_row(0, 0.0F);
  int seen = 0;
  for (Index row = 0; row < 64; ++row) seen += digest_with_row(row, 1.0F) != before ? 1 : 0;
  EXPECT_EQ(seen, 8);
  EXPECT_NE(digest_with_row(0, 1.0F), before);
  EXPECT_NE(digest_with_row(63, 1.0F), before);
}

TEST_F(Sweep, DigestOfTheModelSeesItsConfig) {
  const std::string before = train::model_digest(open().model);
  std::string config = io::get(options_.model / "config.json");
  config.replace(config.find("10000.0"), 7, "20000.0");
  io::put(options_.model / "config.json", config);
  EXPECT_NE(train::model_digest(open().model), before);
}

TEST(Digest, IsFnv1a) {
  EXPECT_EQ(Digest().hex(), "cbf29ce484222325");
  EXPECT_EQ(Digest().add("a").hex(), "af63dc4c8601ec8c");  // from the algorithm's own test values
  EXPECT_EQ(Digest().add("foobar").hex(), "85944171f73967e8");
}

}  // namespace
}  // namespace lorry::sweep
