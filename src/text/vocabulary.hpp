// text/vocabulary.hpp: tokens by id and ids by token.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/index.hpp"

namespace lorry::text {

/// Ids above this are refused when a file is read: it bounds what a hostile file can make us allocate.
inline constexpr Index kMaxTokenId = (Index{1} << 24) - 1;

struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

/// std::string keys that can be looked up by string_view.
template <class Value>
using StringMap = std::unordered_map<std::string, Value, StringHash, std::equal_to<>>;

/// Ids need not be contiguous. Moving keeps it valid; it cannot be copied.
class Vocabulary {
 public:
  Vocabulary() = default;
  Vocabulary(const Vocabulary&) = delete;
  Vocabulary& operator=(const Vocabulary&) = delete;
  Vocabulary(Vocabulary&&) = default;
  Vocabulary& operator=(Vocabulary&&) = default;

  /// False, and nothing changes, if the id or the token is taken. 0 <= id <= kMaxTokenId.
  bool add(std::string token, std::int32_t id);

  [[nodiscard]] std::optional<std::int32_t> id(std::string_view token) const;
  /// Null if no token has this id; any id may be asked for.
  [[nodiscard]] const std::string* token(std::int32_t id) const;
  /// How many tokens there are.
  [[nodiscard]] Index count() const { return std::ssize(ids_); }
  /// Largest id + 1.
  [[nodiscard]] Index size() const { return std::ssize(tokens_); }

 private:
  StringMap<std::int32_t> ids_;
  std::vector<const std::string*> tokens_;  // [size()] keys of ids_, or null
};

}  // namespace lorry::text
