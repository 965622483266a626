#include "train/evaluate.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "data/packing.hpp"
#include "model/golden_case.hpp"

namespace lorry::train {
namespace {

std::vector<data::Document> make_documents() {
  std::vector<data::Document> documents;
  for (const Index length : {40, 3, 17, 29, 2}) {
    data::Document document{.ids = {}, .targets_from = 1 + length / 8};
    for (Index t = 0; t < length; ++t)
      document.ids.push_back(static_cast<std::int32_t>((t * t + length) % 101));
    documents.push_back(std::move(document));
  }
  return documents;
}

TEST(Evaluate, IsTheMeanOverAllTargetsOfAllDocuments) {
  model::GoldenCase golden("mistral");
  const std::vector<data::Document> documents = make_documents();
  model::Decoder::Workspace workspace;
  double sum = 0;
  Index targets = 0;
  for (Index i = 0; i < static_cast<Index>(documents.size()); ++i) {
    const data::Batch batch = data::make_batch(documents, std::vector<data::Sequence>{{i}}, 1);
    sum += golden.decoder().loss(batch, workspace);
    targets += documents[static_cast<std::size_t>(i)].target_count();
  }
  const double want = sum / static_cast<double>(targets);
  for (const Index length : {40, 64, 500}) {
    Index last = 0;
    Index all = -1;
    const Evaluation got =
        evaluate(golden.decoder(), documents, length, workspace, [&](Index done, Index total) {
          EXPECT_EQ(done, last + 1);
          last = done;
          all = total;
        });
    EXPECT_EQ(last, all);
    EXPECT_EQ(got.tokens, targets);
    EXPECT_NEAR(got.loss, want, 1e-6 * want) << "sequences of " << length;
    EXPECT_DOUBLE_EQ(got.perplexity, std::exp(got.loss));
  }
}

TEST(Evaluate, ComputesASharedPromptOnceToTheSameLoss) {
  model::GoldenCase golden("mistral");
  std::vector<data::Document> documents = make_documents();
  for (data::Document& document : documents) {
    document.ids.insert(document.ids.begin(), {7, 8, 9, 10});
    document.targets_from = 4;
  }
  model::Decoder::Workspace workspace;
  double sum = 0;
  Index targets = 0;
  Index tokens = 0;
  for (Index i = 0; i < std::ssize(documents); ++i) {
    const data::Batch batch = data::make_batch(documents, std::vector<data::Sequence>{{i}}, 1);
    sum += golden.decoder().loss(batch, workspace);
    targets += batch.target_count;
    tokens += batch.token_count;
  }
  const Evaluation got = evaluate(golden.decoder(), documents, 500, workspace);
  EXPECT_EQ(got.tokens, targets);
  EXPECT_EQ(got.rows, tokens - (4 * 4 + 1));
  EXPECT_NEAR(got.loss, sum / static_cast<double>(targets), 1e-6 * got.loss);
}

TEST(Evaluate, IgnoresDropoutAndTouchesNoGradient) {
  model::GoldenCase golden("llama");
  model::Adapter adapter = golden.adapter();
  adapter.attach(golden.decoder());
  const std::vector<optim::Parameter> parameters = adapter.parameters();
  adapter.zero_gradients();
  const std::vector<data::Document> documents = make_documents();
  model::Decoder::Workspace workspace;
  const double want = evaluate(golden.decoder(), documents, 64, workspace).loss;
  for (auto& entry : adapter.entries()) entry->update.dropout = 0.5F;
  EXPECT_EQ(evaluate(golden.decoder(), documents, 64, workspace).loss, want);
  EXPECT_EQ(golden.ops().sum_of_squares(parameters[0].gradient), 0.0);
}

}  // namespace
}  // namespace lorry::train
