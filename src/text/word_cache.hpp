// text/word_cache.hpp: ids of words met before; text repeats its words.
#pragma once
#include <array>
#include <cstdint>
#include <mutex>
#include <string_view>
#include <vector>

#include "text/vocabulary.hpp"

namespace lorry::text {

/// Safe for several threads: the words are spread over shards, each with its lock. Bounded; full shards take
/// no more.
class WordCache {
 public:
  /// Appends the ids of `word` to `out`; false if it is not known.
  bool append(std::string_view word, std::vector<std::int32_t>& out) const;
  void put(std::string_view word, const std::int32_t* ids, std::size_t count);

 private:
  static constexpr std::size_t kShards = 16;
  static constexpr std::size_t kWordsPerShard = 4096;
  static constexpr std::size_t kMaxWordBytes = 128;

  struct Shard {
    mutable std::mutex mutex;
    StringMap<std::vector<std::int32_t>> words;
  };
  static std::size_t shard_of(std::string_view word) { return StringHash{}(word) % kShards; }

  std::array<Shard, kShards> shards_;
};

}  // namespace lorry::text
