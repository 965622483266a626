// core/error.hpp: what the user did wrong or the machine refused, as one exception with one clear line.
#pragma once
#include <fmt/format.h>

#include <stdexcept>
#include <utility>

namespace lorry {

/// A condition the user can cause and mend: a bad file, field, flag or a full disk. The text is one line of
/// the form
/// `[operation] file: field: what was found; what was expected`. Caught once, in cli/main.cpp.
/// A programmer's mistake is not an Error: use LORRY_CHECK (core/check.hpp).
class Error : public std::runtime_error {
 public:
  template <class... Args>
  explicit Error(fmt::format_string<Args...> text, Args&&... args)
      : std::runtime_error(fmt::format(text, std::forward<Args>(args)...)) {}
};

}  // namespace lorry
