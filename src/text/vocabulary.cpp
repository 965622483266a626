#include "text/vocabulary.hpp"

#include "core/check.hpp"

namespace lorry::text {

bool Vocabulary::add(std::string token, std::int32_t id) {
  LORRY_CHECK(id >= 0 && id <= kMaxTokenId);
  const auto slot = static_cast<std::size_t>(id);
  if (slot >= tokens_.size()) tokens_.resize(slot + 1, nullptr);
  if (tokens_[slot] != nullptr) return false;
  const auto [entry, added] = ids_.emplace(std::move(token), id);
  if (added) tokens_[slot] = &entry->first;
  return added;
}

std::optional<std::int32_t> Vocabulary::id(std::string_view token) const {
  const auto entry = ids_.find(token);
  if (entry == ids_.end()) return std::nullopt;
  return entry->second;
}

const std::string* Vocabulary::token(std::int32_t id) const {
  if (id < 0 || id >= std::ssize(tokens_)) return nullptr;
  return tokens_[static_cast<std::size_t>(id)];
}

}  // namespace lorry::text
