// text/new_tokens.hpp: tokens that a tokenizer.json is given in addition.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace lorry::text {

/// Appends `tokens` to the document of the tokenizer.json `file` as special tokens, with the ids behind all
/// that it has, and returns these: what transformers' add_special_tokens makes of it. Throws Error for a text
/// that is a token already, is empty, not UTF-8 or there twice.
std::vector<std::int32_t> append_tokens(const std::vector<std::string>& tokens, const std::string& file,
                                        nlohmann::json& document);

}  // namespace lorry::text
