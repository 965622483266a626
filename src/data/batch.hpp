// data/batch.hpp: what one micro-step of training or evaluation reads: the rows of several documents, one
// after another, with no padding between them.
#pragma once
#include <cstdint>
#include <vector>

#include "core/index.hpp"

namespace lorry::data {

/// N rows, one per token. Attention stays within a document and its parent; nothing else tells the sequences
/// of a batch apart.
struct Batch {
  std::vector<std::int32_t> ids;        // [N]
  std::vector<std::int32_t> targets;    // [N] the token that row has to predict; -1: no loss here
  std::vector<std::int32_t> positions;  // [N] from 0 again at the start of every document without a parent
  std::vector<Index> offsets;           // [D+1] document d owns rows [offsets[d], offsets[d+1])
  std::vector<Index> parents = {};  // [D] the document that this one goes on from, as in ops::Documents; -1:
                                    // none. Empty: no document has one
  Index target_count = 0;           // rows with a target
  Index token_count = 0;            // rows that are data; the rest, N - token_count, are padding at the end,
                                    // in a document of their own

  [[nodiscard]] Index rows() const noexcept { return static_cast<Index>(ids.size()); }
  [[nodiscard]] Index documents() const noexcept { return static_cast<Index>(offsets.size()) - 1; }
};

}  // namespace lorry::data
