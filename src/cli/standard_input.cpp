#include "cli/standard_input.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/index.hpp"
#include "io/message_text.hpp"

namespace lorry::cli {

std::string read_standard_input() {
  constexpr Index kMostBytes = Index{1} << 26;
  std::string text;
  std::array<char, 1 << 14> piece{};
  for (;;) {
    const ssize_t count = ::read(STDIN_FILENO, piece.data(), piece.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw Error("[input] standard input: {}", io::errno_text(errno));
    if (count == 0) return text;
    text.append(piece.data(), static_cast<std::size_t>(count));
    if (std::ssize(text) > kMostBytes) {
      throw Error("[input] standard input: found more than {}; expected at most that",
                  format_bytes(kMostBytes));
    }
  }
}

}  // namespace lorry::cli
