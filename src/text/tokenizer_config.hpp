// text/tokenizer_config.hpp: what tokenizer_config.json says beside tokenizer.json.
#pragma once
#include <filesystem>
#include <optional>
#include <string>

namespace lorry::text {

struct TokenizerConfig {
  std::optional<std::string> bos_token, eos_token, chat_template;
  std::optional<bool> add_bos_token;
};

/// Reads tokenizer_config.json and chat_template.jinja of `folder`; absent files leave everything unset.
/// Throws Error if one is malformed.
TokenizerConfig read_tokenizer_config(const std::filesystem::path& folder);

}  // namespace lorry::text
