// train/diverged.hpp: training that came to numbers which are not finite.
#pragma once
#include "core/error.hpp"

namespace lorry::train {

/// An Error of its own kind, since a caller with more runs to make may go on with the next one.
class Diverged : public Error {
 public:
  using Error::Error;
};

}  // namespace lorry::train
