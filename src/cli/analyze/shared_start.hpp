// cli/analyze/shared_start.hpp: whether two adapters began with the same random A, as far as their folders
// tell.
#pragma once
#include <string>

#include "cli/analyze/subjects.hpp"

namespace lorry::cli {

/// A sentence where both folders hold a train.yaml with the same seed and the same layers, which draw from it
/// one after another: directions may be shared that nothing has learnt. Empty where they do not, or where
/// that cannot be told.
std::string shared_start(const Subject& first, const Subject& second);

}  // namespace lorry::cli
