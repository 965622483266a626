#include "cli/stream_report.hpp"

#include <fmt/format.h>

#include "core/clock.hpp"

namespace lorry::cli {

namespace {

double per(double sum, Index count) {
  return count > 0 ? sum / static_cast<double>(count) : 0;
}

}  // namespace

std::string streaming_text(const model::StreamedWork& work, Index count, std::string_view unit) {
  std::string text = fmt::format("streamed {} a {}, which waited {:.3g} of {:.3g} s for it\n",
                                 format_bytes(count > 0 ? work.read.bytes / count : 0), unit,
                                 per(work.read.waited, count), per(work.seconds, count));
  return text + scratch_text(work, count, unit) + floors_text(work, count, unit);
}

std::string scratch_text(const model::StreamedWork& work, Index count, std::string_view unit) {
  if (work.scratch.written == 0 || count == 0) return "";
  std::string text =
      fmt::format("block inputs in a scratch file: {} written and {} read a {}",
                  format_bytes(work.scratch.written / count), format_bytes(work.scratch.read / count), unit);
  if (work.scratch.waited > 0) {
    text += fmt::format(", which waited {:.3g} s for them", per(work.scratch.waited, count));
  }
  return text + "\n";
}

std::string floors_text(const model::StreamedWork& work, Index count, std::string_view unit) {
  if (work.times_floor() <= 0) return "";  // files too short to measure the disk by
  std::string text = fmt::format("floors of a {}: {:.3g} s of reading in order at {:.2f} GB/s", unit,
                                 per(work.disk_floor(), count), work.peaks.disk_bytes * 1e-9);
  if (work.flops > 0) {
    text += fmt::format(", {:.3g} s of products ({:.3g} TFLOP) at {:.0f} GFLOP/s",
                        per(work.product_floor(), count), per(work.flops, count) * 1e-12,
                        work.peaks.flops * 1e-9);
  }
  return text +
         fmt::format("; {:.2f} times the {}\n", work.times_floor(), work.flops > 0 ? "larger" : "floor");
}

io::OrderedJson streaming_json(const model::StreamedWork& work, Index count) {
  io::OrderedJson json = {{"count", count},
                          {"seconds", per(work.seconds, count)},
                          {"disk_bytes", count > 0 ? work.read.bytes / count : 0},
                          {"seconds_waited", per(work.read.waited, count)},
                          {"disk_bytes_per_second", work.peaks.disk_bytes},
                          {"disk_floor_seconds", per(work.disk_floor(), count)}};
  if (work.scratch.written > 0 && count > 0) {
    json["scratch_bytes_written"] = work.scratch.written / count;
    json["scratch_bytes_read"] = work.scratch.read / count;
    json["scratch_seconds_waited"] = per(work.scratch.waited, count);
  }
  if (work.flops > 0) {
    json["flops"] = per(work.flops, count);
    json["matmul_flops_per_second"] = work.peaks.flops;
    json["product_floor_seconds"] = per(work.product_floor(), count);
  }
  json["times_floor"] = work.times_floor();
  return json;
}

}  // namespace lorry::cli
