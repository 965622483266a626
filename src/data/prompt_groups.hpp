// data/prompt_groups.hpp: documents that begin with the same prompt, whose rows are then computed once for
// all of them.
#pragma once
#include <span>
#include <vector>

#include "core/index.hpp"
#include "data/document_view.hpp"

namespace lorry::data {

/// Documents [first, first + count) of an order: one, or several with the same prompt.
struct DocumentGroup {
  Index first = 0;
  Index count = 1;
  Index rows = 0;  // of a batch, that they take

  friend bool operator==(const DocumentGroup&, const DocumentGroup&) = default;
};

/// Documents of an epoch in the order of its groups.
struct GroupedOrder {
  std::vector<Index> order;  // places in DocumentView
  std::vector<DocumentGroup> groups;

  [[nodiscard]] std::span<const Index> documents(const DocumentGroup& group) const {
    return std::span(order).subspan(static_cast<std::size_t>(group.first),
                                    static_cast<std::size_t>(group.count));
  }
};

/// Rows that `documents` with the same prompt of so many tokens are spared by having it once. Its last token
/// stays each one's own, since it predicts what differs; of a document behind a shared prompt the last token,
/// which nothing reads, has no row. None where there is no prompt before that last token, or one document.
Index rows_spared(Index documents, Index prompt_tokens);

/// Every document alone.
GroupedOrder ungrouped(DocumentView documents, std::vector<Index> order);

/// Documents with the same prompt together, where the first of them stands in `order`; the groups cut where
/// their rows would be more than `capacity`, which no document is longer than.
GroupedOrder group_by_prompt(DocumentView documents, std::span<const Index> order, Index capacity);

/// rows_spared() of all documents, were no group cut.
Index rows_spared(DocumentView documents);

}  // namespace lorry::data
