// Random weights: their distribution, and that they follow from the seed alone.
#include "model/initialize.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "io/io_support.hpp"
#include "model/golden_case.hpp"
#include "support/random_matrix.hpp"

namespace lorry::model {
namespace {

ModelConfig tiny_config(const char* name) {
  return load_model_config(golden_folder() / "families" / name / "model");
}

struct Moments {
  double mean = 0;
  double deviation = 0;  // from 0, not from the mean
  double kurtosis = 0;   // 3 for normal numbers, 1.8 for uniform ones
};

Moments moments_of(ConstMatrixView view) {
  const auto n = static_cast<double>(view.size());
  Moments moments;
  double second = 0;
  double fourth = 0;
  for (Index i = 0; i < view.rows; ++i) {
    for (Index j = 0; j < view.cols; ++j) {
      const double x = testing::get(view, i, j);
      moments.mean += x / n;
      second += x * x / n;
      fourth += x * x * x * x / n;
    }
  }
  moments.deviation = std::sqrt(second);
  moments.kurtosis = fourth / (second * second);
  return moments;
}

TEST(Initialize, MatricesAreNormalNormsOneBiasesZero) {
  ModelConfig config = tiny_config("gpt2");
  config.vocab_size = 1003;  // enough numbers for tight bounds, and no multiple of four
  const io::ScratchFolder folder;
  Index last = 0;
  Index all = -1;
  write_random_weights(folder / "model.safetensors", config, 0.02F, DType::kF32, 5,
                       [&](Index done, Index total) {
                         EXPECT_GE(done, last);
                         last = done;
                         all = total;
                       });
  EXPECT_EQ(last, all);
  const Weights weights = load_weights(folder.path(), config);
  for (const TensorSpec& spec : list_tensors(config)) {
    const Moments got = moments_of(weights.at(spec.name).as_dense());
    const double error =
        5 / std::sqrt(static_cast<double>(spec.rows() * spec.cols()));  // five standard errors
    if (spec.kind == TensorKind::kNormWeight) {
      EXPECT_DOUBLE_EQ(got.mean, 1) << spec.name;
      EXPECT_DOUBLE_EQ(got.deviation, 1) << spec.name;  // from 0: with that mean, all are 1
    } else if (spec.kind == TensorKind::kBias || spec.kind == TensorKind::kNormBias) {
      EXPECT_EQ(got.deviation, 0) << spec.name;
    } else {
      // Two layers: the maps that add to the residual stream start at std / sqrt(4).
      const double want = spec.name.ends_with("c_proj.weight") ? 0.01 : 0.02;
      EXPECT_NEAR(got.mean, 0, error * want) << spec.name;
      EXPECT_NEAR(got.deviation, want, error * want) << spec.name;
      EXPECT_NEAR(got.kurtosis, 3, 12 * error) << spec.name;
    }
  }
}

TEST(Initialize, TensorsAndSeedsDiffer) {
  const ModelConfig config = tiny_config("llama");
  const io::ScratchFolder folder;
  const auto write = [&](const char* name, DType dtype, std::uint64_t seed) {
    std::filesystem::create_directory(folder / name);
    write_random_weights(folder / name / "model.safetensors", config, 0.5F, dtype, seed, [](Index, Index) {});
    return load_weights(folder / name, config);
  };
  const Weights first = write("first", DType::kF32, 1);
  const Weights again = write("again", DType::kF32, 1);
  const Weights other = write("other", DType::kF32, 2);
  const Weights rounded = write("rounded", DType::kBF16, 1);
  EXPECT_EQ(io::get(folder / "first" / "model.safetensors"), io::get(folder / "again" / "model.safetensors"));
  const std::string q = "model.layers.0.self_attn.q_proj.weight";
  const std::string k = "model.layers.0.self_attn.k_proj.weight";
  EXPECT_LT(std::abs(cosine(first.at(q).as_dense(), other.at(q).as_dense())),
            0.15);  // 1024 numbers: five standard errors
  EXPECT_LT(std::abs(cosine(first.at(q).as_dense(), first.at(k).as_dense())), 0.15);
  const ConstMatrixView exact = first.at(q).as_dense();
  const ConstMatrixView narrow = rounded.at(q).as_dense();
  ASSERT_EQ(narrow.dtype, DType::kBF16);
  for (Index i = 0; i < exact.rows; ++i) {
    for (Index j = 0; j < exact.cols; ++j) {
      EXPECT_EQ(narrow.row<BF16>(i)[j].bits, to_bf16(exact.row<float>(i)[j]).bits);
    }
  }
}

TEST(Initialize, FreshAdapterChangesNothingAndFollowsItsSeed) {
  GoldenCase golden("llama");
  PeftConfig config;
  config.r = 16;
  config.lora_alpha = 24;
  config.lora_dropout = 0.25;
  config.target_modules = parse_target_modules("all-linear");
  Adapter adapter = Adapter::create(config, golden.decoder(), 3);
  const Adapter again = Adapter::create(config, golden.decoder(), 3);
  const Adapter other = Adapter::create(config, golden.decoder(), 4);
  config.init_lora_weights = LoraInit::kGaussian;
  const Adapter gaussian = Adapter::create(config, golden.decoder(), 3);
  ASSERT_EQ(adapter.entries().size(), 14U);
  for (std::size_t i = 0; i < adapter.entries().size(); ++i) {
    const nn::LowRankUpdate& update = adapter.entries()[i]->update;
    EXPECT_EQ(update.scale, 1.5F);
    EXPECT_EQ(update.dropout, 0.25F);
    EXPECT_TRUE(testing::same_bits(update.a, again.entries()[i]->update.a));
    EXPECT_LT(std::abs(cosine(update.a, other.entries()[i]->update.a)), 0.22);
    EXPECT_EQ(moments_of(update.b_transposed).deviation, 0);
    // U(-1/sqrt(I), 1/sqrt(I)) has the deviation 1/sqrt(3 I); 1/R for the Gaussian.
    const Moments uniform = moments_of(update.a);
    const double bound = 1 / std::sqrt(static_cast<double>(update.a.cols()));
    EXPECT_NEAR(uniform.deviation, bound / std::sqrt(3.0), 0.1 * bound);
    EXPECT_NEAR(uniform.kurtosis, 1.8, 0.3);
    const Moments normal = moments_of(gaussian.entries()[i]->update.a);
    EXPECT_NEAR(normal.deviation, 1.0 / 16, 0.15 / 16);
    EXPECT_NEAR(normal.kurtosis, 3, 1.0);
  }
  const data::Batch batch = pack({golden.document(0)});
  Decoder::Workspace workspace;
  const double before = golden.decoder().loss(batch, workspace);
  adapter.attach(golden.decoder());
  EXPECT_EQ(golden.decoder().loss(batch, workspace), before);
}

TEST(Initialize, RankAboveASmallerSideIsReported) {
  GoldenCase golden("llama_linear");  // k_proj and v_proj have 8 outputs
  PeftConfig config;
  config.r = 9;
  config.target_modules = parse_target_modules("q_proj,k_proj");
  const Adapter adapter = Adapter::create(config, golden.decoder(), 3);
  ASSERT_FALSE(adapter.oversized().empty());
  for (const std::string& module : adapter.oversized()) EXPECT_TRUE(module.ends_with("k_proj")) << module;
  config.r = 8;
  EXPECT_TRUE(Adapter::create(config, golden.decoder(), 3).oversized().empty());
  config.r = 0;
  EXPECT_EQ(io::error_of([&] { Adapter::create(config, golden.decoder(), 3); }),
            "[lora]: rank: found 0; expected at least 1");
}

TEST(Initialize, Nf4HasTheDeviationAndNoMean) {
  const io::ScratchFolder folder;
  ModelConfig config = tiny_config("llama");
  config.hidden_size = 192;
  config.head_dim = 48;
  config.intermediate_size = 1000;
  const auto write = [&](const char* name, Index shard_bytes, std::uint64_t seed) {
    std::filesystem::create_directory(folder / name);
    Index last = 0;
    Index all = -1;
    write_random_nf4(
        folder / name, config, 0.02F, DType::kBF16, seed,
        [&](Index done, Index total) {
          last = done;
          all = total;
        },
        shard_bytes);
    EXPECT_EQ(last, all);
    return load_weights(folder / name, config);
  };
  const Weights one = write("one", kShardBytes, 5);
  const Weights cut = write("cut", 200'000, 5);
  const Weights other = write("other", kShardBytes, 6);
  EXPECT_EQ(one.folder()->files().size(), 1U);
  EXPECT_GT(cut.folder()->files().size(), 3U);
  for (const io::SafetensorsFile& file : cut.folder()->files()) {
    EXPECT_LT(std::filesystem::file_size(file.path()), 220'000U);
  }
  for (const TensorSpec& spec : list_tensors(config)) {
    if (spec.kind != TensorKind::kLinear) continue;
    const auto values = [&](const Weights& weights) {
      Matrix all(spec.rows(), spec.cols());
      for (Index i = 0; i < spec.rows(); ++i) weights.at(spec.name).read_row(i, all.row<float>(i));
      return all;
    };
    const Matrix matrix = values(one);
    const Moments got = moments_of(matrix.view());
    const double error = 5 / std::sqrt(static_cast<double>(matrix.size()));
    EXPECT_EQ(one.at(spec.name).is_packed(), spec.module() != config.names.head) << spec.name;
    EXPECT_NEAR(got.mean, 0, (error + 0.005) * 0.02) << spec.name;
    EXPECT_NEAR(got.deviation, 0.02, (error + 0.005) * 0.02) << spec.name;
    EXPECT_NEAR(got.kurtosis, 3, 0.5) << spec.name;
    EXPECT_EQ(relative_difference(values(cut).view(), matrix.view()), 0) << spec.name;
    EXPECT_GT(relative_difference(values(other).view(), matrix.view()), 1) << spec.name;
  }
}

}  // namespace
}  // namespace lorry::model
