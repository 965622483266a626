#include "cli/plan_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "cli/stream_report.hpp"
#include "cli/train_options.hpp"
#include "core/clock.hpp"
#include "report/table.hpp"

namespace lorry::cli {

namespace {

constexpr double kPercent = 100;

std::string groups_text(const train::RunSize& size) {
  report::Table table(
      {{"trained", false}, {"modules", true}, {"parameters", true}, {"% of the model", true}});
  for (const train::TrainedGroup& group : size.groups) {
    table.add_row({group.name, group.modules, group.parameters,
                   kPercent * static_cast<double>(group.parameters) / static_cast<double>(size.model)});
  }
  Index modules = 0;
  for (const train::TrainedGroup& group : size.groups) modules += group.modules;
  table.add_row({"total", modules, size.trainable, kPercent * size.share()});
  return table.to_text();
}

}  // namespace

std::string memory_text(const train::MemoryParts& parts, const std::optional<Index>& available) {
  report::Table table({{"peak memory", false}, {"MiB", true}});
  constexpr double kMebibyte = 0x1p20;
  const auto add = [&](std::string_view name, Index bytes) {
    const double value = static_cast<double>(bytes) / kMebibyte;
    table.add_row({std::string(name), report::Cell(fmt::format("{:.1f}", value), value)});
  };
  for (const auto& [name, bytes] : parts.list()) add(name, bytes);
  add("total", parts.total());
  std::string text = table.to_text();
  if (parts.scratch_file > 0) {
    text +=
        fmt::format("on the disk: {} of block inputs, in a scratch file\n", format_bytes(parts.scratch_file));
  }
  if (available) text += fmt::format("available now: {}\n", format_bytes(*available));
  return text;
}

std::string time_text(const train::StepTime& time, Index steps) {
  std::string text = fmt::format("time per step: {:.3g} s ({} tokens, {:.0f} tokens/s)\n", time.seconds,
                                 time.tokens, static_cast<double>(time.tokens) / time.seconds);
  if (time.disk_bytes > 0) {
    text += fmt::format("weights read from the disk: {} a step, {:.2f} GB/s: {:.3g} s\n",
                        format_bytes(time.disk_bytes), time.disk_bytes_per_second * 1e-9,
                        static_cast<double>(time.disk_bytes) / time.disk_bytes_per_second);
    text += scratch_text(time.streamed, 1, "step");
    text += floors_text(time.streamed, 1, "step");
  }
  if (steps > 0) {
    text += fmt::format("{} steps: {}\n", steps, format_duration(time.seconds * static_cast<double>(steps)));
  }
  return text + fmt::format("from {:.1f} s of measurements: {:.0f} GFLOP/s, {:.1f} GB/s, {} {} x {} rows\n",
                            time.probe_seconds, time.rates.flops * 1e-9, time.rates.bytes * 1e-9,
                            time.probe_blocks, time.probe_blocks == 1 ? "block" : "blocks", time.probe_rows);
}

io::OrderedJson time_json(const train::StepTime& time, Index steps) {
  io::OrderedJson json = {{"seconds_per_step", time.seconds},
                          {"tokens_per_step", time.tokens},
                          {"tokens_per_second", static_cast<double>(time.tokens) / time.seconds},
                          {"probe_seconds", time.probe_seconds},
                          {"matmul_flops_per_second", time.rates.flops},
                          {"memory_bytes_per_second", time.rates.bytes}};
  if (time.disk_bytes > 0) {
    json["disk_bytes_per_step"] = time.disk_bytes;
    json["disk_bytes_per_second"] = time.disk_bytes_per_second;
    json["streaming"] = streaming_json(time.streamed, 1);
  }
  if (steps > 0) {
    json["steps"] = steps;
    json["seconds"] = time.seconds * static_cast<double>(steps);
  }
  return json;
}

std::string dry_run_text(const train::TrainOptions& options, const train::DryRun& plan,
                         const train::StepTime& time) {
  std::string text = groups_text(plan.size) + "\n";
  text += fmt::format("{} steps of {} x {} sequences of up to {} tokens: {:.3g} epochs, {} tokens\n",
                      plan.steps, options.grad_accumulation_steps, options.batch_size, plan.max_seq_length,
                      plan.epochs, plan.tokens);
  text += fmt::format("{}: {}\n\n", options.method == train::Method::kLora ? "adapter" : "model",
                      format_bytes(plan.result_bytes));
  return text + memory_text(plan.memory, plan.available) + "\n" + time_text(time, plan.steps);
}

io::OrderedJson options_json(const OptionTable& table, const std::function<bool(const Option&)>& include) {
  io::OrderedJson json = io::OrderedJson::object();
  for (const Option& option : table.options()) {
    const std::string value = option.binding.show();
    if (!option.in_config || value.empty() || !include(option)) continue;
    std::string key = option.name;
    std::replace(key.begin(), key.end(), '-', '_');
    const io::OrderedJson parsed = io::OrderedJson::parse(value, nullptr, false);
    const bool typed = option.binding.is_switch ||
                       option.binding.expected.find("number") != std::string::npos ||
                       option.binding.expected.find("integer") != std::string::npos;
    json[key] = typed && !parsed.is_discarded() ? parsed : io::OrderedJson(value);
  }
  return json;
}

io::OrderedJson dry_run_json(io::OrderedJson config, const train::DryRun& plan, const train::StepTime& time) {
  io::OrderedJson json = {{"config", std::move(config)},
                          {"trainable_parameters", plan.size.trainable},
                          {"model_parameters", plan.size.model},
                          {"trainable_share", plan.size.share()},
                          {"trained", train::to_json(plan.size.groups)},
                          {"steps", plan.steps},
                          {"epochs", plan.epochs},
                          {"tokens", plan.tokens},
                          {"result_bytes", plan.result_bytes},
                          {"memory", train::to_json(plan.memory)}};
  if (plan.available) json["available_memory"] = *plan.available;
  json.update(time_json(time, plan.steps));
  json["warnings"] = plan.warnings;
  return json;
}

}  // namespace lorry::cli
