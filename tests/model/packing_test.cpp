// A packed batch gives the loss and the gradients of its documents alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "data/packing.hpp"
#include "model/golden_case.hpp"
#include "optim/parameter.hpp"

namespace lorry::model {
namespace {

constexpr double kSame = 1e-6;

using Gradients = std::vector<Matrix>;

/// Lengths that share no factor with the kernels' blocks; the longest is above mistral's window of 9.
std::vector<data::Document> make_documents(Index vocabulary) {
  std::vector<data::Document> documents;
  std::int32_t id = 5;
  for (const Index length : {37, 2, 11, 23, 64}) {
    data::Document document{.ids = {}, .targets_from = 1 + length / 4};
    for (Index t = 0; t < length; ++t) {
      id = static_cast<std::int32_t>((id * 31 + 17) % vocabulary);
      document.ids.push_back(id);
    }
    documents.push_back(std::move(document));
  }
  return documents;
}

/// Adds the batch's gradients to those of the parameters; returns its loss.
double run(Decoder& decoder, const data::Batch& batch) {
  Decoder::Workspace workspace;  // a new one: nothing of an earlier batch may matter
  return decoder.loss_and_gradient(batch, {.gradient_scale = 1.0F / 64.0F}, workspace);
}

Gradients copies(const std::vector<optim::Parameter>& parameters) {
  Gradients all;
  for (const optim::Parameter& parameter : parameters) all.push_back(transposed(parameter.gradient));
  return all;
}

class Packing : public ::testing::TestWithParam<const char*> {};

/// A case's model with its adapter.
struct Adapted {
  explicit Adapted(const char* name) : golden(name), adapter(golden.adapter()) {
    adapter.attach(decoder);
    adapter.zero_gradients();
  }

  GoldenCase golden;
  Decoder& decoder = golden.decoder();
  Adapter adapter;
  std::vector<optim::Parameter> parameters = adapter.parameters();
};

TEST_P(Packing, GivesTheLossAndGradientsOfTheDocumentsAlone) {
  Adapted adapted(GetParam());
  auto& [golden, decoder, adapter, parameters] = adapted;
  const std::vector<data::Document> documents = make_documents(decoder.config().vocab_size);

  double alone = 0;
  for (Index d = 0; d < static_cast<Index>(documents.size()); ++d) {
    alone += run(decoder, data::make_batch(documents, std::vector<data::Sequence>{{d}}, 1));
  }
  const Gradients want = copies(parameters);

  // In another order, in two sequences, with padding rows behind.
  const std::vector<data::Sequence> sequences = {{3, 0, 1}, {4, 2}};
  for (const Index row_multiple : {1, 32}) {
    adapter.zero_gradients();
    const data::Batch batch = data::make_batch(documents, sequences, row_multiple);
    EXPECT_EQ(batch.rows() > batch.token_count, row_multiple > 1);
    EXPECT_NEAR(run(decoder, batch), alone, kSame * alone) << "rows to a multiple of " << row_multiple;
    const Gradients got = copies(parameters);
    for (std::size_t i = 0; i < got.size(); ++i) {
      EXPECT_LE(relative_difference(got[i], want[i]), kSame) << parameters[i].name;
    }
  }
}

/// Documents 0, 1 and 3 with the prompt of 0, each with its own answer; some of it is not learnt.
std::vector<data::Document> with_one_prompt(std::vector<data::Document> documents) {
  const auto prompt = documents[0].prompt();
  const std::vector<std::int32_t> ids(prompt.begin(), prompt.end());
  for (const std::size_t d : {1, 3}) {
    documents[d].ids.insert(documents[d].ids.begin(), ids.begin(), ids.end());
    documents[d].targets_from = std::ssize(ids);
  }
  documents[3].masked = {{documents[3].size() - 6, documents[3].size() - 3}};
  return documents;
}

TEST_P(Packing, WithSharedPromptsGivesTheLossAndGradientsOfTheDocumentsAlone) {
  Adapted adapted(GetParam());
  auto& [golden, decoder, adapter, parameters] = adapted;
  const std::vector<data::Document> documents = with_one_prompt(make_documents(decoder.config().vocab_size));
  const std::vector<data::Sequence> sequences = {{3, 0, 1}, {4, 2}};

  const double alone = run(decoder, data::make_batch(documents, sequences, 1));
  const Gradients want = copies(parameters);

  adapter.zero_gradients();
  const data::Batch batch = data::make_batch(documents, sequences, 32, true);
  EXPECT_EQ(batch.documents(), 7);  // the prompt, its three answers, two others, padding
  EXPECT_NEAR(run(decoder, batch), alone, kSame * alone);
  const Gradients got = copies(parameters);
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_LE(relative_difference(got[i], want[i]), kSame) << parameters[i].name;
  }
}

TEST_P(Packing, NeighboursDoNotChangeADocumentsLogits) {
  GoldenCase golden(GetParam());
  const std::vector<data::Document> documents = make_documents(golden.decoder().config().vocab_size);
  Decoder::Workspace workspace;
  const data::Batch alone = data::make_batch(documents, std::vector<data::Sequence>{{0}}, 1);
  const data::Batch packed = data::make_batch(documents, std::vector<data::Sequence>{{2, 0, 4}}, 32);
  Matrix want(alone.rows(), golden.decoder().config().vocab_size);
  Matrix got(packed.rows(), golden.decoder().config().vocab_size);
  golden.decoder().logits(alone, workspace, want);
  golden.decoder().logits(packed, workspace, got);
  EXPECT_LE(relative_difference(got.view().row_range(documents[2].size(), alone.rows()), want), kSame);
}

INSTANTIATE_TEST_SUITE_P(Golden, Packing, ::testing::Values("gpt2", "llama", "mistral", "qwen3"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace lorry::model
