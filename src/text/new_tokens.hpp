// text/new_tokens.hpp: tokens that a tokenizer.json is given in addition.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/index.hpp"

namespace lorry::text {

/// The entry of added_tokens for a special token, as transformers writes it. Json: nlohmann's, ordered or
/// not.
template <class Json>
Json special_token_entry(Index id, const std::string& token) {
  return {{"id", id},        {"content", token},    {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", true}};
}

/// Appends `tokens` to the document of the tokenizer.json `file` as special tokens, with the ids behind all
/// that it has, and returns these: what transformers' add_special_tokens makes of it. Throws Error for a text
/// that is a token already, is empty, not UTF-8 or there twice.
std::vector<std::int32_t> append_tokens(const std::vector<std::string>& tokens, const std::string& file,
                                        nlohmann::json& document);

}  // namespace lorry::text
