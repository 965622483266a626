// io/record_frames.hpp: TFRecord framing: what TensorBoard's event files are a chain of. A frame is the
// length of its content (uint64), the checksum of the length, the content, the checksum of the content, all
// little-endian.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "core/index.hpp"

namespace lorry::io {

std::string record_frame(std::string_view content);

/// Goes through the frames of a file's bytes, which it borrows.
class RecordFrames {
 public:
  explicit RecordFrames(std::string_view bytes) : bytes_(bytes) {}

  /// The content of the next frame; nothing at the end, and where a frame is cut short or its checksums do
  /// not fit.
  std::optional<std::string_view> next();
  /// Bytes of the frames so far.
  [[nodiscard]] Index position() const noexcept { return static_cast<Index>(position_); }

 private:
  std::string_view bytes_;
  std::size_t position_ = 0;
};

}  // namespace lorry::io
