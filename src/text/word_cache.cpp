#include "text/word_cache.hpp"

namespace lorry::text {

bool WordCache::append(std::string_view word, std::vector<std::int32_t>& out) const {
  if (word.size() > kMaxWordBytes) return false;
  const Shard& shard = shards_[shard_of(word)];
  const std::lock_guard lock(shard.mutex);
  const auto entry = shard.words.find(word);
  if (entry == shard.words.end()) return false;
  out.insert(out.end(), entry->second.begin(), entry->second.end());
  return true;
}

void WordCache::put(std::string_view word, const std::int32_t* ids, std::size_t count) {
  if (word.size() > kMaxWordBytes) return;
  Shard& shard = shards_[shard_of(word)];
  const std::lock_guard lock(shard.mutex);
  if (shard.words.size() >= kWordsPerShard) return;
  shard.words.try_emplace(std::string(word), ids, ids + count);
}

}  // namespace lorry::text
