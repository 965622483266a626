// model/workspace_size.hpp: what Decoder::Workspace comes to in a training pass, from shapes alone. Follows
// the declarations in decoder.hpp, block.hpp, nn/ and head.hpp; a test compares it with a workspace in use.
#pragma once
#include <vector>

#include "model/config.hpp"
#include "tensor/dtype.hpp"

namespace lorry::model {

/// One training pass. Legend: N rows of a batch, R ranks.
struct PassShape {
  Index rows = 0;       // N, a multiple of data::BatcherOptions::row_multiple
  Index targets = 0;    // of them
  Index positions = 0;  // tokens of the longest document
  DType compute = DType::kF32;
  bool grad_checkpoint = false;
  Index batches = 1;     // that go through together, each of so many rows
  bool dropout = false;  // some update drops inputs
  Index lowest = 0;      // the lowest block that backward visits; num_hidden_layers: none
  Index in_file = 0;     // inputs of these blocks, from the lowest on, that go to a scratch file
  Index evaluated = 0;   // batches of as many rows that an evaluation between steps takes through together
  // Of every linear map in model order, the head last: the sum over its updates. Empty: no updates.
  std::vector<Index> ranks = {};
};

/// Bytes that are written to, and so resident.
struct WorkspaceBytes {
  Index activations = 0;
  Index logits = 0;   // the loss head's
  Index in_file = 0;  // of the scratch file: written once in a pass and read once
};

WorkspaceBytes workspace_bytes(const ModelConfig& config, const PassShape& pass);

/// What Decoder::Generation comes to: `texts` of up to `longest` tokens, of which at most `rows` in all are
/// appended at once.
Index generation_bytes(const ModelConfig& config, DType compute, Index texts, Index longest, Index rows);

}  // namespace lorry::model
