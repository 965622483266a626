// cli/usage_error.hpp: mistakes in the command line and the config themselves.
#pragma once
#include "core/option_error.hpp"

namespace lorry::cli {

/// What is wrong can be told from the arguments and the config alone: an unknown flag or key, a missing or an
/// impossible value, options that contradict each other.
class UsageError : public OptionError {
 public:
  using OptionError::OptionError;
};

}  // namespace lorry::cli
