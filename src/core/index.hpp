// core/index.hpp: the one integer type for sizes and positions.
#pragma once
#include <cstddef>

namespace lorry {

/// Signed, so that differences and reversed loops are safe; as wide as a pointer.
using Index = std::ptrdiff_t;

}  // namespace lorry
