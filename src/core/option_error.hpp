// core/option_error.hpp: what is wrong with options, whoever gave them.
#pragma once
#include "core/error.hpp"

namespace lorry {

/// Options that are unknown, out of range, contradict each other or have no effect, whether flags or keys of
/// a config: what can be told from them alone. The program's exit code is then 2, where that of every other
/// Error is 1.
class OptionError : public Error {
 public:
  using Error::Error;
};

}  // namespace lorry
