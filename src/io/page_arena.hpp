// io/page_arena.hpp: memory at an address that stays, whose pages come and go, or move to another arena.
#pragma once
#include <cstddef>

#include "core/index.hpp"

namespace lorry::io {

/// Address space of so many bytes; a page takes memory once it is written. Not movable: what points into it
/// would be lost.
class PageArena {
 public:
  /// Throws Error where the address space cannot be had.
  explicit PageArena(Index bytes);
  PageArena(const PageArena&) = delete;
  PageArena& operator=(const PageArena&) = delete;
  ~PageArena();

  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  [[nodiscard]] Index bytes() const noexcept { return bytes_; }

  /// Gives the memory back; what lay there is lost.
  void drop() noexcept;
  /// Takes the pages of `from` over, whatever lies in them, where both have as many huge pages, and has
  /// `from` drop the rest. New pages would be cleared before they are written, which takes as long as filling
  /// them from a file that is in memory.
  void take_pages(PageArena& from) noexcept;

 private:
  std::byte* reserved_ = nullptr;
  Index reserved_bytes_ = 0;
  std::byte* data_ = nullptr;
  Index bytes_ = 0;
  Index whole_ = 0;  // of bytes_, in whole huge pages
};

}  // namespace lorry::io
