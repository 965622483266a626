#include "train/log_scalars.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <map>
#include <utility>

#include "core/median.hpp"
#include "model/module_place.hpp"

namespace lorry::train {

namespace {

struct Field {
  const char* key;
  const char* name;
};

constexpr std::array<Field, 4> kStepFields = {{{"loss", "train/loss"},
                                               {"lr", "train/learning_rate"},
                                               {"grad_norm", "train/grad_norm"},
                                               {"tokens_per_second", "train/tokens_per_second"}}};
constexpr std::array<Field, 2> kEvaluationFields = {
    {{"eval_loss", "eval/loss"}, {"eval_perplexity", "eval/perplexity"}}};
constexpr std::array<const char*, 7> kXrayFigures = {"delta_norm", "effective_rank", "sufficient_rank",
                                                     "top_share",  "amplification",  "settled",
                                                     "settled_top"};

void add_number(const io::OrderedJson& from, const char* key, std::string name,
                std::vector<LogScalar>& scalars) {
  const auto found = from.find(key);
  if (found == from.end() || !found->is_number()) return;
  const auto value = found->get<double>();
  if (std::isfinite(value)) scalars.push_back({std::move(name), value});
}

/// One figure of every layer, and its median over the layers of each kind.
void add_figure(const io::OrderedJson& modules, const char* figure, std::vector<LogScalar>& scalars) {
  std::vector<LogScalar> layers;
  for (const io::OrderedJson& module : modules) {
    const std::string name = module.value("module", std::string());
    // An update of zero has a norm and no directions.
    const auto norm = module.find("delta_norm");
    const bool zero = norm != module.end() && norm->is_number() && norm->get<double>() == 0.0;
    if (zero && std::string_view(figure) != kXrayFigures.front()) continue;
    add_number(module, figure, name, layers);
  }
  std::vector<std::string> kinds;  // in model order
  std::map<std::string, std::vector<double>> values;
  for (const LogScalar& layer : layers) {
    const std::string kind = model::place_of(layer.name).type;
    if (!values.contains(kind)) kinds.push_back(kind);
    values[kind].push_back(layer.value);
  }
  for (const std::string& kind : kinds) {
    scalars.push_back({fmt::format("{}{}/{}", kXrayScalars, figure, kind), median(std::move(values[kind]))});
  }
  for (const LogScalar& layer : layers) {
    scalars.push_back({fmt::format("{}{}/{}", kXrayLayerScalars, figure, layer.name), layer.value});
  }
}

}  // namespace

std::vector<LogScalar> log_scalars(const io::OrderedJson& line) {
  std::vector<LogScalar> scalars;
  if (!line.is_object()) return scalars;
  for (const Field& field : kStepFields) add_number(line, field.key, field.name, scalars);
  for (const Field& field : kEvaluationFields) add_number(line, field.key, field.name, scalars);
  const auto modules = line.find("xray");
  if (modules == line.end() || !modules->is_array()) return scalars;
  for (const char* figure : kXrayFigures) add_figure(*modules, figure, scalars);
  return scalars;
}

}  // namespace lorry::train
