#include "train/non_finite.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "tensor/finite.hpp"

namespace lorry::train {

std::string where_loss_broke(const model::Decoder& decoder, const model::Decoder::Workspace& workspace,
                             std::span<const optim::Parameter> parameters) {
  const auto broken =
      std::find_if(parameters.begin(), parameters.end(),
                   [](const optim::Parameter& parameter) { return !all_finite(parameter.value); });
  if (broken != parameters.end()) return broken->name;
  return decoder.first_non_finite(workspace);
}

std::string where_gradient_broke(std::span<const optim::Parameter> parameters) {
  const auto broken =
      std::find_if(parameters.rbegin(), parameters.rend(),
                   [](const optim::Parameter& parameter) { return !all_finite(parameter.gradient); });
  return broken != parameters.rend() ? broken->name : "the sum over all tensors";
}

}  // namespace lorry::train
