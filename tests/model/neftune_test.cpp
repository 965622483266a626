// Noise on the embeddings while training: what is added, when, and that nothing else changes.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "model/full_parameters.hpp"
#include "model/golden_case.hpp"
#include "ops/reference/elementwise.hpp"

namespace lorry::model {
namespace {

constexpr PassOptions kNoisy = {
    .gradient_scale = 0.02F, .dropout_seed = 7, .micro_step = 3, .neftune_noise_alpha = 5.0F};

/// Two documents of 30 and 6 tokens in which no token comes twice.
data::Batch distinct_tokens() {
  GoldenDocument whole;
  for (std::int32_t id = 0; id < 36; ++id) {
    whole.ids.push_back(3 + id);
    whole.targets.push_back((id * 7 + 1) % 101);
  }
  const auto part = [&](std::ptrdiff_t first, std::ptrdiff_t last) {
    return GoldenDocument{{whole.ids.begin() + first, whole.ids.begin() + last},
                          {whole.targets.begin() + first, whole.targets.begin() + last}};
  };
  return pack({part(0, 30), part(30, 36)});
}

struct Trained {
  explicit Trained(GoldenCase& golden)
      : full(golden.ops(), golden.decoder().config(), golden.weights(), DType::kF32),
        decoder(golden.ops(), golden.decoder().config(), full.weights(), DType::kF32) {
    full.attach(decoder);
  }
  double run(const data::Batch& batch, const PassOptions& options) {
    full.zero_gradients();
    return decoder.loss_and_gradient(batch, options, workspace);
  }
  MatrixView embedding() {
    for (const optim::Parameter& parameter : full.parameters()) {
      if (parameter.name == "model.embed_tokens.weight") return parameter.value;
    }
    return {};
  }

  FullParameters full;
  Decoder decoder;
  Decoder::Workspace workspace;
};

/// Puts what kNoisy adds to distinct_tokens() into the table, where each token has a row of its own; the
/// second document counts as `length` tokens.
void put_noise(const data::Batch& batch, double length, MatrixView table) {
  const ops::NoiseKey key = {7, (std::uint64_t{3} << 20U) | 0xfffffU};
  for (Index row = 0; row < batch.rows(); ++row) {
    const double tokens = row < 30 ? 30 : length;
    const double magnitude = 5.0 / std::sqrt(tokens * static_cast<double>(table.cols));
    float* values = table.row<float>(batch.ids[static_cast<std::size_t>(row)]);
    for (Index j = 0; j < table.cols; ++j) {
      values[j] += static_cast<float>(magnitude * ops::reference::noise_draw(key, row, j));
    }
  }
}

TEST(Neftune, IsAlphaOverTheRootOfADocumentsElements) {
  GoldenCase golden("llama");
  const data::Batch batch = distinct_tokens();
  Trained noisy(golden);
  const double loss = noisy.run(batch, kNoisy);
  EXPECT_NE(loss, noisy.run(batch, {.gradient_scale = 0.02F}));

  Trained moved(golden);
  const MatrixView table = moved.embedding();
  ASSERT_FALSE(table.empty());
  put_noise(batch, 6, table);
  EXPECT_NEAR(moved.run(batch, {.gradient_scale = 0.02F}), loss, 1e-6 * loss);
  noisy.run(batch, kNoisy);
  const std::vector<optim::Parameter> got = noisy.full.parameters();
  const std::vector<optim::Parameter> want = moved.full.parameters();
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_LE(relative_difference(got[i].gradient, want[i].gradient), 1e-5) << got[i].name;
  }
}

TEST(Neftune, OfAnAnswerIsThatOfItsWholeDocument) {
  GoldenCase golden("llama");
  data::Batch batch = distinct_tokens();
  batch.parents = {-1, 0};  // the second one goes on from the first: 36 tokens
  std::iota(batch.positions.begin() + 30, batch.positions.end(), 30);
  Trained noisy(golden);
  const double loss = noisy.run(batch, kNoisy);
  Trained moved(golden);
  const MatrixView table = moved.embedding();
  put_noise(batch, 36, table);
  EXPECT_NEAR(moved.run(batch, {.gradient_scale = 0.02F}), loss, 1e-6 * loss);
}

TEST(Neftune, IsDrawnAnewForEveryMicroStepAndNeverWhereNothingTrains) {
  GoldenCase golden("llama");
  const data::Batch batch = distinct_tokens();
  Trained trained(golden);
  const double plain = trained.decoder.loss(batch, trained.workspace);
  const double third = trained.run(batch, kNoisy);
  EXPECT_EQ(trained.run(batch, kNoisy), third);
  PassOptions fourth = kNoisy;
  fourth.micro_step = 4;
  EXPECT_NE(trained.run(batch, fourth), third);
  EXPECT_EQ(trained.decoder.loss(batch, trained.workspace), plain);
}

TEST(Neftune, GradCheckpointGivesTheSameBits) {
  for (const char* name : {"llama", "qwen3", "gpt2"}) {  // qwen3's adapter leaves block 0 alone
    GoldenCase golden(name);
    Adapter adapter = golden.adapter();
    adapter.attach(golden.decoder());
    const std::vector<optim::Parameter> parameters = adapter.parameters();
    const data::Batch batch = pack(golden.documents());
    Decoder::Workspace workspace;
    PassOptions options = kNoisy;
    const auto run = [&] {
      adapter.zero_gradients();
      const double loss = golden.decoder().loss_and_gradient(batch, options, workspace);
      std::vector<float> all;
      for (const optim::Parameter& parameter : parameters) {
        const float* first = parameter.gradient.row<float>(0);
        all.insert(all.end(), first, first + parameter.gradient.size());
      }
      return std::pair(loss, all);
    };
    const auto kept = run();
    options.grad_checkpoint = true;
    EXPECT_EQ(run(), kept) << name;
    options.neftune_noise_alpha = 0;
    EXPECT_NE(run(), kept) << name;
  }
}

}  // namespace
}  // namespace lorry::model
