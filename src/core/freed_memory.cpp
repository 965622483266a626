#include "core/freed_memory.hpp"

#include <malloc.h>

namespace lorry {

void return_large_blocks() {
#ifdef M_MMAP_THRESHOLD
  constexpr int kLarge = 128 << 10;  // bytes
  ::mallopt(M_MMAP_THRESHOLD, kLarge);
#endif
}

}  // namespace lorry
