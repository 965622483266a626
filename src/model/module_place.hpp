// model/module_place.hpp: where in a model a module stands, read from its name alone.
#pragma once
#include <string>

#include "core/index.hpp"

namespace lorry::model {

/// "model.layers.3.self_attn.q_proj" is layer 3, type "self_attn.q_proj".
struct ModulePlace {
  Index layer = -1;  // -1: outside the layers, as the head is
  std::string type;  // what follows the layer's number; the whole name outside the layers
};

ModulePlace place_of(const std::string& module);

/// "3", or "-" outside the layers.
std::string layer_text(const ModulePlace& place);

}  // namespace lorry::model
