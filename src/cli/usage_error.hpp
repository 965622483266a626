// cli/usage_error.hpp: mistakes in the command line itself, which end the program with a code of their own.
#pragma once
#include "core/error.hpp"

namespace lorry::cli {

/// What is wrong can be told from the arguments alone: an unknown flag, a missing or an impossible value,
/// flags that contradict each other. Exit code 2, where every other Error has 1.
class UsageError : public Error {
 public:
  using Error::Error;
};

}  // namespace lorry::cli
