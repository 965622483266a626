#include "model/text_cache.hpp"

#include <algorithm>
#include <utility>

namespace lorry::model {

TextCache::TextCache(ops::Ops& ops, Index texts, Index blocks, Index width, DType dtype)
    : ops_(&ops),
      dtype_(dtype),
      width_(width),
      lengths_(static_cast<std::size_t>(texts), 0),
      blocks_(static_cast<std::size_t>(blocks)) {
  LORRY_CHECK(texts >= 1);
}

void TextCache::reserve(Index tokens) {
  if (tokens <= capacity_) return;
  constexpr Index kLeast = 128;
  const Index capacity = std::max({tokens, 2 * capacity_, kLeast});
  for (nn::KeyValueCache& block : blocks_) {
    for (Matrix* matrix : {&block.keys, &block.values}) {
      Matrix larger;
      larger.reshape(texts() * capacity, width_, dtype_);
      for (Index text = 0; text < texts(); ++text) {
        if (length(text) == 0) continue;
        ops_->copy(matrix->view().row_range(text * capacity_, length(text)),
                   larger.view().row_range(text * capacity, length(text)));
      }
      *matrix = std::move(larger);
    }
  }
  capacity_ = capacity;
}

ops::Documents TextCache::documents(std::span<const Index> texts, std::span<const Index> counts) {
  LORRY_CHECK_EQ(texts.size(), counts.size());
  queries_.clear();
  keys_.clear();
  Index row = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    LORRY_CHECK(i == 0 || texts[i] > texts[i - 1]);
    const Index first = texts[i] * capacity_;
    const Index last = first + length(texts[i]) + counts[i];
    LORRY_CHECK(last <= first + capacity_);
    keys_.insert(keys_.end(), {first, last});
    queries_.insert(queries_.end(), {row, row + counts[i]});
    row += counts[i];
  }
  return {queries_, keys_};
}

void TextCache::copy(Index from, Index to, Index shared) {
  LORRY_CHECK(shared <= std::min(length(from), length(to)));
  const Index count = length(from) - shared;
  lengths_[static_cast<std::size_t>(to)] = length(from);
  if (from == to || count == 0) return;
  for (nn::KeyValueCache& block : blocks_) {
    for (Matrix* matrix : {&block.keys, &block.values}) {
      ops_->copy(matrix->view().row_range(from * capacity_ + shared, count),
                 matrix->view().row_range(to * capacity_ + shared, count));
    }
  }
}

}  // namespace lorry::model
