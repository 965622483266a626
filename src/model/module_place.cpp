#include "model/module_place.hpp"

#include <algorithm>
#include <charconv>

namespace lorry::model {

ModulePlace place_of(const std::string& module) {
  std::size_t begin = 0;
  while (begin < module.size()) {
    const std::size_t end = std::min(module.find('.', begin), module.size());
    Index layer = -1;
    const auto [stop, failure] = std::from_chars(module.data() + begin, module.data() + end, layer);
    const bool number = failure == std::errc{} && stop == module.data() + end && layer >= 0;
    if (number && end + 1 < module.size()) return {.layer = layer, .type = module.substr(end + 1)};
    begin = end + 1;
  }
  return {.layer = -1, .type = module};
}

std::string layer_text(const ModulePlace& place) {
  return place.layer < 0 ? "-" : std::to_string(place.layer);
}

}  // namespace lorry::model
