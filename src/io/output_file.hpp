// io/output_file.hpp: a file that the user named for output, whatever is at that name.
#pragma once
#include <filesystem>
#include <optional>
#include <string_view>

#include "io/atomic_file.hpp"
#include "io/file_descriptor.hpp"

namespace lorry::io {

/// Where an ordinary file or nothing is, an AtomicFile: old content or all of the new. A symbolic link is
/// followed and stays. A device, a FIFO and a descriptor of this process (/dev/stdout, /dev/fd/63 of a
/// shell's >(...)) is written to as it comes, since renaming would put an ordinary file in its place; opening
/// a FIFO waits for its reader. Every member throws Error, one line with the target and the reason.
class OutputFile {
 public:
  explicit OutputFile(std::filesystem::path target);

  /// Appends behind what write() wrote before.
  void write(std::string_view text);
  /// Makes an ordinary file appear. To be called once, last.
  void commit();

 private:
  std::filesystem::path target_;  // as the user named it
  std::optional<AtomicFile> file_;
  FileDescriptor stream_;  // instead
};

/// What `target` names once all links are followed; it need not exist. A descriptor of this process is
/// /proc/PID/fd/N, not followed. Throws Error for a circle of links.
std::filesystem::path follow_links(const std::filesystem::path& target);

}  // namespace lorry::io
