// io/text_file.hpp: whole small files in and out of memory.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

#include "core/index.hpp"

namespace lorry::io {

inline constexpr Index kMaxTextBytes = Index{1} << 30;

/// The file's bytes as they are (no newline translation, no check of UTF-8). Throws Error if it cannot be
/// read or is longer than `max_bytes`.
std::string read_text_file(const std::filesystem::path& path, Index max_bytes = kMaxTextBytes);

/// Writes `text` so that `path` holds either its old content or all of the new, whatever happens meanwhile.
/// Throws Error if it cannot.
void write_text_file(const std::filesystem::path& path, std::string_view text);

}  // namespace lorry::io
