// train/event_message.hpp: the few protocol buffer messages that TensorBoard's event files hold (Event,
// Summary, SummaryMetadata, TensorProto, SessionLog of TensorFlow's event.proto and summary.proto), as bytes.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/index.hpp"
#include "train/log_scalars.hpp"

namespace lorry::train {

/// What every file begins with. `writer`: who wrote it.
std::string first_event(double time, std::string_view writer);
/// Steps from `step` on follow; readers forget those that they had seen already.
std::string restart_event(double time, Index step);
/// Points of curves, with float32 precision.
std::string scalars_event(double time, Index step, std::span<const LogScalar> scalars);
/// Text, as Markdown.
std::string text_event(double time, Index step, std::string_view tag, std::string_view text);

struct EventHead {
  Index step = 0;
  std::string writer = {};
  bool has_summary = false;  // scalars or text
};

/// Nothing for bytes that are no Event.
std::optional<EventHead> read_event(std::string_view bytes);

}  // namespace lorry::train
