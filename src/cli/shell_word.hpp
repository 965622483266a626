// cli/shell_word.hpp: texts as a POSIX shell must read them to get them back, for commands that a user
// copies.
#pragma once
#include <string>
#include <string_view>

namespace lorry::cli {

/// `word` itself where a shell reads it as one plain word, else in single quotes.
std::string shell_word(std::string_view word);

/// This program as a shell finds it again: "lorry", or the path that it was called by.
std::string program_word();

/// `text` for a place within single quotes.
std::string within_quotes(std::string_view text);

}  // namespace lorry::cli
