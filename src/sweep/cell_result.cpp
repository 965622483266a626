#include "sweep/cell_result.hpp"

#include "core/error.hpp"
#include "io/json_fields.hpp"

namespace lorry::sweep {

namespace {

io::OrderedJson curve_json(const std::vector<CurvePoint>& curve) {
  io::OrderedJson json = io::OrderedJson::array();
  for (const CurvePoint& point : curve) json.push_back({{"step", point.step}, {"loss", point.loss}});
  return json;
}

std::vector<CurvePoint> read_curve(const io::Json& json, std::string_view field, std::string_view file) {
  std::vector<CurvePoint> curve;
  for (const io::Json& point : io::get_array(json, field, file)) {
    if (!point.is_object()) io::throw_field_error(file, field, &point, "objects of step and loss");
    curve.push_back({io::get_index(point, "step", file, 0), io::get_number(point, "loss", file)});
  }
  return curve;
}

}  // namespace

io::OrderedJson to_json(const CellResult& result, const std::string& name) {
  io::OrderedJson json = {{"name", name},
                          {"settings", result.settings},
                          {"inputs", result.inputs},
                          {"trainable_parameters", result.trainable_parameters},
                          {"steps", result.steps},
                          {"loss", result.loss},
                          {"held_out", curve_json(result.held_out)},
                          {"training", curve_json(result.training)},
                          {"seconds", result.seconds},
                          {"wall_seconds", result.wall_seconds},
                          {"tokens_per_second", result.tokens_per_second},
                          {"peak_rss_bytes", result.peak_rss_bytes}};
  if (!result.failure.empty()) json["failure"] = result.failure;
  return json;
}

CellResult read_cell_result(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / kResultFile;
  const std::string file = path.string();
  const io::Json json = io::read_json_file(path);
  if (!json.is_object()) throw Error("[sweep] {}: found no object; expected a cell's result", file);
  CellResult result{.settings = io::get_object(json, "settings", file),
                    .inputs = io::get_object(json, "inputs", file),
                    .trainable_parameters = io::get_index(json, "trainable_parameters", file),
                    .steps = io::get_index(json, "steps", file, 0),
                    .loss = io::get_number(json, "loss", file),
                    .held_out = read_curve(json, "held_out", file),
                    .training = read_curve(json, "training", file),
                    .seconds = io::get_number(json, "seconds", file),
                    .wall_seconds = io::get_number(json, "wall_seconds", file),
                    .tokens_per_second = io::get_number(json, "tokens_per_second", file),
                    .peak_rss_bytes = io::get_index(json, "peak_rss_bytes", file, 0),
                    .failure = io::find_string(json, "failure", file).value_or("")};
  if (result.held_out.empty() && result.failure.empty()) {
    throw Error("[sweep] {}: field \"held_out\": found no losses; expected the one after the last step",
                file);
  }
  return result;
}

}  // namespace lorry::sweep
