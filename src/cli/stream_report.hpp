// cli/stream_report.hpp: how streaming went, as lines and as JSON.
#pragma once
#include <string>
#include <string_view>

#include "io/json_file.hpp"
#include "model/stream_floor.hpp"

namespace lorry::cli {

/// Two lines or three on what `count` steps or passes, as `unit` calls one, read, wrote and took.
std::string streaming_text(const model::StreamedWork& work, Index count, std::string_view unit);
/// The one on block inputs in a scratch file; empty where there is none.
std::string scratch_text(const model::StreamedWork& work, Index count, std::string_view unit);
/// The last of them.
std::string floors_text(const model::StreamedWork& work, Index count, std::string_view unit);
/// The same figures, each of one step or pass.
io::OrderedJson streaming_json(const model::StreamedWork& work, Index count);

}  // namespace lorry::cli
