#include "train/xray_state.hpp"

#include <cstring>
#include <utility>

#include "core/error.hpp"
#include "io/json_fields.hpp"
#include "io/safetensors.hpp"
#include "io/safetensors_writer.hpp"

namespace lorry::train {

namespace {

constexpr const char* kTensorFile = "xray.safetensors";
constexpr const char* kFigureFile = "xray.json";
constexpr std::string_view kLeft = ".left";
constexpr std::string_view kRight = ".right";

std::span<const std::byte> grid_bytes(const analysis::Grid& grid) {
  return std::as_bytes(std::span(grid.values));
}

analysis::Grid read_grid(const io::SafetensorsFile& file, const std::string& name) {
  const io::TensorView& tensor = file.at(name);
  if (tensor.dtype != DType::kF64 || tensor.shape.size() != 2) {
    throw Error("[train] {}: tensor \"{}\" is no F64 matrix; expected one", file.path().string(), name);
  }
  analysis::Grid grid(tensor.shape[0], tensor.shape[1]);
  std::memcpy(grid.values.data(), tensor.bytes.data(), tensor.bytes.size());
  return grid;
}

io::OrderedJson module_json(const XrayModule& module) {
  const analysis::LiveFigures& figures = module.figures;
  return {{"module", figures.module},
          {"rank", module.rank},
          {"inputs", module.inputs},
          {"outputs", module.outputs},
          {"delta_norm", figures.delta_norm},
          {"weight_norm", figures.weight_norm},
          {"effective_rank", figures.effective_rank},
          {"top_share", figures.top_share},
          {"sufficient_rank", figures.sufficient_rank},
          {"amplification", figures.amplification},
          {"compared", figures.compared},
          {"compared_at", figures.compared_at},
          {"settled_left", figures.settled_left},
          {"settled_right", figures.settled_right},
          {"settled_top", figures.settled_top},
          {"zero", figures.zero},
          {"finite", figures.finite}};
}

XrayModule read_module(const io::Json& json, std::string_view file) {
  const auto count = [&](std::string_view field) { return io::get_index(json, field, file, 0); };
  const auto number = [&](std::string_view field) { return io::get_number(json, field, file); };
  return {.figures = {.module = io::get_string(json, "module", file),
                      .delta_norm = number("delta_norm"),
                      .weight_norm = io::find_number(json, "weight_norm", file).value_or(0.0),
                      .effective_rank = number("effective_rank"),
                      .top_share = number("top_share"),
                      .sufficient_rank = count("sufficient_rank"),
                      .amplification = number("amplification"),
                      .compared = io::get_bool(json, "compared", file),
                      .compared_at = count("compared_at"),
                      .settled_left = number("settled_left"),
                      .settled_right = number("settled_right"),
                      .settled_top = number("settled_top"),
                      .zero = io::get_bool(json, "zero", file),
                      .finite = io::get_bool(json, "finite", file)},
          .rank = count("rank"),
          .inputs = count("inputs"),
          .outputs = count("outputs")};
}

io::OrderedJson loss_json(const LossChange& loss) {
  return {{"first", loss.first}, {"last", loss.last}, {"noise", loss.noise}};
}

LossChange read_loss(const io::Json& json, std::string_view file) {
  return {.first = io::get_number(json, "first", file),
          .last = io::get_number(json, "last", file),
          .noise = io::get_number(json, "noise", file)};
}

std::vector<double> numbers(const io::Json& json, std::string_view field, std::string_view file) {
  std::vector<double> values;
  if (!json.contains(field)) return values;
  for (const io::Json& value : io::get_array(json, field, file)) {
    if (!value.is_number()) io::throw_field_error(file, field, &value, "numbers");
    values.push_back(value.get<double>());
  }
  return values;
}

}  // namespace

void save_xray_state(const std::filesystem::path& folder, const XrayState& state) {
  std::vector<io::TensorSpec> specs;
  specs.reserve(2 * state.directions.size());
  for (const analysis::LiveDirections& one : state.directions) {
    specs.push_back({fmt::format("{}{}", one.module, kLeft), DType::kF64, {one.left.rows, one.left.cols}});
    specs.push_back({fmt::format("{}{}", one.module, kRight), DType::kF64, {one.right.rows, one.right.cols}});
  }
  io::SafetensorsWriter writer(folder / kTensorFile, std::move(specs));
  for (const analysis::LiveDirections& one : state.directions) {
    writer.write(fmt::format("{}{}", one.module, kLeft), grid_bytes(one.left));
    writer.write(fmt::format("{}{}", one.module, kRight), grid_bytes(one.right));
  }
  writer.finish();
  io::OrderedJson json = {{"step", nullptr},
                          {"first_losses", state.losses.first()},
                          {"last_losses", state.losses.last()},
                          {"modules", io::OrderedJson::array()}};
  if (state.last) {
    json["step"] = state.last->step;
    json["seconds"] = state.last->seconds;
    if (state.last->loss) json["loss"] = loss_json(*state.last->loss);
    for (const XrayModule& module : state.last->modules) json["modules"].push_back(module_json(module));
  }
  io::write_json_file(folder / kFigureFile, json);
}

XrayState load_xray_state(const std::filesystem::path& folder) {
  XrayState state;
  const io::SafetensorsFile tensors(folder / kTensorFile);
  for (const io::TensorView& tensor : tensors.tensors()) {
    if (!tensor.name.ends_with(kLeft)) continue;
    const std::string module = tensor.name.substr(0, tensor.name.size() - kLeft.size());
    state.directions.push_back(
        {module, read_grid(tensors, tensor.name), read_grid(tensors, fmt::format("{}{}", module, kRight))});
  }
  const std::filesystem::path path = folder / kFigureFile;
  const std::string file = path.string();
  const io::Json json = io::read_json_file(path);
  state.losses = LossTrend(numbers(json, "first_losses", file), numbers(json, "last_losses", file));
  const std::optional<Index> step = io::find_index(json, "step", file);
  if (!step) return state;
  state.last = {.step = *step, .modules = {}, .seconds = io::get_number(json, "seconds", file)};
  if (json.contains("loss")) state.last->loss = read_loss(json.at("loss"), file);
  for (const io::Json& module : io::get_array(json, "modules", file)) {
    state.last->modules.push_back(read_module(module, file));
  }
  return state;
}

}  // namespace lorry::train
