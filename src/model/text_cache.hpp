// model/text_cache.hpp: keys and values of several texts under generation, of every block.
#pragma once
#include <span>
#include <vector>

#include "nn/attention.hpp"

namespace lorry::model {

/// Each text owns `capacity` rows of every block's keys and values. Texts have lengths of their own; room is
/// made for the longest.
class TextCache {
 public:
  TextCache(ops::Ops& ops, Index texts, Index blocks, Index width, DType dtype);

  [[nodiscard]] Index texts() const noexcept { return static_cast<Index>(lengths_.size()); }
  /// Tokens of a text whose keys and values are here.
  [[nodiscard]] Index length(Index text) const { return lengths_[static_cast<std::size_t>(text)]; }
  [[nodiscard]] nn::KeyValueCache& block(std::size_t i) { return blocks_[i]; }

  /// Room for texts of `tokens`.
  void reserve(Index tokens);
  /// Where attention finds texts[i], in ascending order, when counts[i] tokens are put behind each: query
  /// rows are numbered from 0 in that order. Between two texts lies a document without queries, for the rows
  /// that belong to neither. Valid until the next call. The room must be there.
  [[nodiscard]] ops::Documents documents(std::span<const Index> texts, std::span<const Index> counts);
  /// After all blocks wrote the new rows.
  void add(Index text, Index count) { lengths_[static_cast<std::size_t>(text)] += count; }

  /// The text is empty again.
  void clear(Index text) { lengths_[static_cast<std::size_t>(text)] = 0; }
  /// `to` becomes a copy of `from`, with which it has the first `shared` tokens in common already.
  void copy(Index from, Index to, Index shared);

 private:
  ops::Ops* ops_;
  DType dtype_;
  Index width_;
  Index capacity_ = 0;
  std::vector<Index> lengths_;
  std::vector<nn::KeyValueCache> blocks_;
  std::vector<Index> queries_;  // what documents() lends
  std::vector<Index> keys_;
};

}  // namespace lorry::model
