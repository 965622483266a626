// model/weight_bytes.hpp: which bytes of mapped files a tensor is made of, for this folder's sources alone.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

#include "tensor/weight_view.hpp"

namespace lorry::model {

/// Codes and scales of a packed one (of the whole matrix); the rows of a dense one.
std::vector<std::span<const std::byte>> bytes_of(WeightView view);

/// Whether `part` lies in `whole`.
bool within(std::span<const std::byte> part, std::span<const std::byte> whole);

}  // namespace lorry::model
