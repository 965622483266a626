// train/evaluate.hpp: held-out loss.
#pragma once
#include <functional>

#include "data/document_view.hpp"
#include "model/decoder.hpp"

namespace lorry::train {

struct Evaluation {
  double loss = 0;        // nats per token
  double perplexity = 0;  // exp(loss)
  Index tokens = 0;       // targets scored
  Index rows = 0;         // tokens computed: a prompt that several documents share once
  double seconds = 0;
};

/// Batches that evaluate() takes through a model together whose weights are streamed.
inline constexpr Index kEvaluatedTogether = 8;

/// What evaluate() takes beside a model whose weights are streamed.
Index evaluation_bytes(const model::ModelConfig& config, DType compute, Index max_seq_length);

/// Mean over all targets of all documents, packed to sequences of max_seq_length, with prompts that several
/// share computed once. `progress` (may be empty) is told (batches done, batches in all).
Evaluation evaluate(model::Decoder& decoder, data::DocumentView documents, Index max_seq_length,
                    model::Decoder::Workspace& workspace,
                    const std::function<void(Index, Index)>& progress = {});

}  // namespace lorry::train
