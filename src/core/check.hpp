// core/check.hpp: checks of what callers inside Lorry promise. They stay on in release builds.
#pragma once
#include <string>

namespace lorry {

/// Prints `file:line: text` to standard error and aborts.
[[noreturn]] void check_failed(const char* file, int line, const std::string& text);

}  // namespace lorry

#define LORRY_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::lorry::check_failed(__FILE__, __LINE__, #condition))

/// Both sides must be printable by std::to_string.
#define LORRY_CHECK_EQ(a, b)            \
  ((a) == (b) ? static_cast<void>(0)    \
              : ::lorry::check_failed(  \
                    __FILE__, __LINE__, \
                    std::string(#a " (") + std::to_string(a) + ") != " #b " (" + std::to_string(b) + ")"))
