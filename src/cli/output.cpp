#include "cli/output.hpp"

#include <cerrno>
#include <cstdio>
#include <string>

#include "core/error.hpp"
#include "io/message_text.hpp"

namespace lorry::cli {

void print_out(std::string_view text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (written && std::fflush(stdout) == 0) return;
  const int failure = errno;
  if (failure == EPIPE) throw OutputClosed();
  throw Error("[output] standard output: {}", io::errno_text(failure));
}

void print_json(const io::OrderedJson& value) {
  // A file name need not be UTF-8; JSON must be.
  print_out(value.dump(2, ' ', false, io::OrderedJson::error_handler_t::replace) + "\n");
}

void print_note(std::string_view line) {
  const std::string text = std::string(line) + "\n";
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

}  // namespace lorry::cli
