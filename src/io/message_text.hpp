// io/message_text.hpp: text from files, made fit to stand inside a one-line message.
#pragma once
#include <string>
#include <string_view>

namespace lorry::io {

/// `text` in double quotes; control bytes and invalid UTF-8 are escaped or replaced, and what is longer than
/// 100 bytes is cut, so that a hostile file cannot break or flood a message.
std::string in_quotes(std::string_view text);

/// What the operating system says about an `errno` value, such as "No such file or directory".
std::string errno_text(int error);

}  // namespace lorry::io
