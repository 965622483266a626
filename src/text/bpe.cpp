#include "text/bpe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>

#include "core/error.hpp"
#include "text/utf8.hpp"

namespace lorry::text {

namespace {

// Heap entries: rank above position, so that the smallest is the lowest rank and then the leftmost.
std::uint64_t heap_entry(std::int32_t rank, std::int32_t position) {
  return static_cast<std::uint64_t>(rank) << 32 | static_cast<std::uint32_t>(position);
}

class MergeQueue {
 public:
  explicit MergeQueue(std::size_t capacity) { heap_.reserve(capacity); }

  void push(std::int32_t rank, std::int32_t position) {
    heap_.push_back(heap_entry(rank, position));
    std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
  }
  [[nodiscard]] bool empty() const { return heap_.empty(); }
  std::uint64_t pop() {
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    const std::uint64_t top = heap_.back();
    heap_.pop_back();
    return top;
  }

 private:
  std::vector<std::uint64_t> heap_;
};

}  // namespace

void Bpe::encode(std::string_view word, std::vector<std::int32_t>& out) const {
  if (word.empty()) return;
  if (word.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
    throw Error("[tokenize] a word of {} bytes; expected less than 2^31", word.size());
  }
  if (ignore_merges_) {
    if (const auto id = vocabulary_.id(word)) {
      out.push_back(*id);
      return;
    }
  }
  if (cache_->append(word, out)) return;
  std::vector<Symbol> symbols = symbols_of(word);
  merge(symbols);
  const std::size_t first = out.size();
  for (const Symbol& symbol : symbols) {
    if (!symbol.removed) out.push_back(symbol.id);
  }
  cache_->put(word, out.data() + first, out.size() - first);
}

std::vector<Bpe::Symbol> Bpe::symbols_of(std::string_view word) const {
  std::vector<Symbol> symbols;
  symbols.reserve(word.size());
  bool unknown_waits = false;
  const auto flush_unknown = [&] {
    if (unknown_waits) symbols.push_back({*unknown_, 0, 0, false});
    unknown_waits = false;
  };
  for_each_code_point(word, [&](char32_t, Index begin, Index end) {
    const std::string_view character =
        word.substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
    if (const auto id = vocabulary_.id(character)) {
      flush_unknown();
      symbols.push_back({*id, 0, 0, false});
      return;
    }
    // As in the peer, a waiting unknown stays behind the bytes.
    if (byte_fallback_ && append_bytes(character, symbols)) return;
    if (!missing_unknown_.empty())
      throw Error("[tokenize] model.unk_token {} is not in model.vocab", missing_unknown_);
    if (!unknown_) return;  // dropped, as in the peer
    if (!fuse_unknown_) flush_unknown();
    unknown_waits = true;
  });
  flush_unknown();
  const auto count = static_cast<std::int32_t>(symbols.size());
  for (std::int32_t i = 0; i < count; ++i) {
    symbols[static_cast<std::size_t>(i)].previous = i - 1;
    symbols[static_cast<std::size_t>(i)].next = i + 1 < count ? i + 1 : -1;
  }
  return symbols;
}

bool Bpe::append_bytes(std::string_view character, std::vector<Symbol>& symbols) const {
  const auto id_of = [this](char byte) { return byte_ids_[static_cast<std::uint8_t>(byte)]; };
  if (!std::all_of(character.begin(), character.end(), [&](char byte) { return id_of(byte).has_value(); }))
    return false;
  for (const char byte : character) symbols.push_back({*id_of(byte), 0, 0, false});
  return true;
}

void Bpe::merge(std::vector<Symbol>& symbols) const {
  MergeQueue queue(symbols.size());
  const auto at = [&symbols](std::int32_t position) -> Symbol& {
    return symbols[static_cast<std::size_t>(position)];
  };
  const auto push = [&](std::int32_t left, std::int32_t right) {
    if (const auto* merge = merges_.find(at(left).id, at(right).id)) queue.push(merge->rank, left);
  };
  for (std::int32_t i = 0; i + 1 < static_cast<std::int32_t>(symbols.size()); ++i) push(i, i + 1);
  while (!queue.empty()) {
    const std::uint64_t top = queue.pop();
    const auto position = static_cast<std::int32_t>(top & 0xFFFFFFFFU);
    const std::int32_t new_id = merged_ids_[static_cast<std::size_t>(top >> 32)];
    Symbol& left = at(position);
    if (left.removed || left.next < 0) continue;
    Symbol& right = at(left.next);
    // Entries outlive their pairs. Like the peer, one counts as current if the pair now there gives the same
    // token.
    const auto* current = merges_.find(left.id, right.id);
    if (current == nullptr || current->new_id != new_id) continue;
    left.id = new_id;
    left.next = right.next;
    right.removed = true;
    if (left.next >= 0) at(left.next).previous = position;
    if (left.previous >= 0) push(left.previous, position);
    if (left.next >= 0) push(position, left.next);
  }
}

}  // namespace lorry::text
