// io/temporary_name.hpp: names of unfinished outputs, and removal of those whose process died. For
// atomic_file, atomic_folder and scratch_file only.
#pragma once
#include <filesystem>

#include "io/file_descriptor.hpp"

namespace lorry::io {

inline constexpr int kMaxTemporaries = 1000;  // of one target and process at once

/// FOLDER/.NAME.tmp-PID-NUMBER for this process. A long NAME is cut, so that the whole stays a legal file
/// name.
std::filesystem::path temporary_name(const std::filesystem::path& target, int number);

/// The folder that holds `target`: "." for a bare name.
std::filesystem::path parent_folder(const std::filesystem::path& target);

/// Marks an open temporary as in use. Where the file system has no locks nothing happens.
void lock_temporary(const FileDescriptor& file);

/// Removes the temporaries of `target` whose process is gone. One goes only if no process has its number and
/// nobody holds its lock, so neither a process of another container nor one whose number was used again loses
/// its work. Failures are ignored: the leftovers then stay for the next run.
void remove_stale_temporaries(const std::filesystem::path& target);

/// A new file for reading and writing under such a name, which is taken away at once: for file systems
/// without files that never had one. Where the process dies in between, an empty file stays for the next call
/// to remove. Not open, with errno, where it cannot be made.
FileDescriptor create_unlinked(const std::filesystem::path& target);

/// Flushes a file or a folder's list of names to the disk; throws Error naming `target`.
void sync_path(const std::filesystem::path& path, const std::filesystem::path& target);

}  // namespace lorry::io
