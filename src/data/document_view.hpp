// data/document_view.hpp: the documents of a data set by number, wherever they are.
#pragma once
#include <span>
#include <vector>

#include "core/check.hpp"
#include "data/document.hpp"

namespace lorry::data {

/// Documents that are not kept: their lengths and the keys of their prompts are, their tokens are made when
/// asked for. One thread at a time.
class DocumentIndex {
 public:
  virtual ~DocumentIndex() = default;
  [[nodiscard]] virtual Index size() const = 0;
  [[nodiscard]] virtual Index length(Index i) const = 0;
  [[nodiscard]] virtual PromptKey prompt_key(Index i) const = 0;
  [[nodiscard]] virtual Document make(Index i) const = 0;
};

/// Borrows documents in memory or an index of them, which must outlive it.
class DocumentView {
 public:
  // A view is passed as a span is: whatever holds documents converts to it.
  DocumentView(std::span<const Document> held) : held_(held) {}     // NOLINT(google-explicit-constructor)
  DocumentView(const std::vector<Document>& held) : held_(held) {}  // NOLINT(google-explicit-constructor)
  DocumentView(const DocumentIndex& index) : index_(&index) {}      // NOLINT(google-explicit-constructor)

  [[nodiscard]] Index size() const { return index_ != nullptr ? index_->size() : std::ssize(held_); }
  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] Index length(Index i) const { return index_ != nullptr ? index_->length(i) : at(i).size(); }
  [[nodiscard]] PromptKey prompt_key(Index i) const {
    return index_ != nullptr ? index_->prompt_key(i) : at(i).prompt_key();
  }
  /// Calls visit(const Document&).
  template <class Visit>
  void visit(Index i, const Visit& visit) const {
    if (index_ != nullptr) {
      visit(index_->make(i));
    } else {
      visit(at(i));
    }
  }

 private:
  [[nodiscard]] const Document& at(Index i) const {
    LORRY_CHECK(i >= 0 && i < std::ssize(held_));
    return held_[static_cast<std::size_t>(i)];
  }

  std::span<const Document> held_;
  const DocumentIndex* index_ = nullptr;
};

/// Documents [first, last) of a data set that an epoch goes through `weight` times; parts of a time take that
/// part of them, others in each epoch.
struct Share {
  Index first = 0;
  Index last = 0;
  double weight = 1.0;
};

}  // namespace lorry::data
