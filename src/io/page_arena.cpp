#include "io/page_arena.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "core/error.hpp"
#include "io/message_text.hpp"

namespace lorry::io {

namespace {

// Of huge pages, whose tables move as a whole.
constexpr Index kHuge = Index{2} << 20;

Index rounded_up(Index bytes) {
  return (bytes + kHuge - 1) / kHuge * kHuge;
}

}  // namespace

PageArena::PageArena(Index bytes) : reserved_bytes_(rounded_up(bytes) + kHuge), bytes_(bytes) {
  void* const all = ::mmap(nullptr, static_cast<std::size_t>(reserved_bytes_), PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (all == MAP_FAILED) {
    throw Error("[load] cannot reserve {} bytes of address space: {}", reserved_bytes_, errno_text(errno));
  }
  reserved_ = static_cast<std::byte*>(all);
  const auto address = reinterpret_cast<std::uintptr_t>(reserved_);
  data_ = reserved_ + (static_cast<std::uintptr_t>(kHuge) - address % kHuge) % kHuge;
  // The last huge page would be a part of it taken in vain.
  const Index whole = bytes / kHuge * kHuge;
  if (whole > 0) ::madvise(data_, static_cast<std::size_t>(whole), MADV_HUGEPAGE);
}

PageArena::~PageArena() {
  ::munmap(reserved_, static_cast<std::size_t>(reserved_bytes_));
}

void PageArena::drop() noexcept {
  ::madvise(data_, static_cast<std::size_t>(rounded_up(bytes_)), MADV_DONTNEED);
}

void PageArena::take_pages(PageArena& from) noexcept {
  const Index both = rounded_up(std::min(bytes_, from.bytes_));
  ::mremap(from.data_, static_cast<std::size_t>(both), static_cast<std::size_t>(both),
           MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, data_);
  // Where that failed, as on kernels before 5.7, the pages are dropped.
  from.drop();
  // Those that reach beyond what is asked for here.
  const Index page = 4096;
  const Index used = (bytes_ + page - 1) / page * page;
  if (used < both) ::madvise(data_ + used, static_cast<std::size_t>(both - used), MADV_DONTNEED);
}

}  // namespace lorry::io
