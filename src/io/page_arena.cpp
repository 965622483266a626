#include "io/page_arena.hpp"

#include <sys/mman.h>

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
  whole_ = bytes / kHuge * kHuge;
  if (whole_ > 0) ::madvise(data_, static_cast<std::size_t>(whole_), MADV_HUGEPAGE);
}

PageArena::~PageArena() {
  ::munmap(reserved_, static_cast<std::size_t>(reserved_bytes_));
}

void PageArena::drop() noexcept {
  ::madvise(data_, static_cast<std::size_t>(rounded_up(bytes_)), MADV_DONTNEED);
}

void PageArena::take_pages(PageArena& from) noexcept {
  // Of equal arenas alone: their whole huge pages are one mapping each, before and after. A move across two
  // is refused before Linux 6.17, after what lay at its target was unmapped.
  if (whole_ > 0 && whole_ == from.whole_) {
    const auto bytes = static_cast<std::size_t>(whole_);
    const void* const moved =
        ::mremap(from.data_, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, data_);
    // Before Linux 5.7 nothing has happened; where the system had no memory for its tables, there may be a
    // hole now.
    if (moved == MAP_FAILED) {
      static_cast<void>(::mmap(data_, bytes, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0));
    }
  }
  from.drop();
}

}  // namespace lorry::io
