#include "optim/clip.hpp"

#include <algorithm>
#include <cmath>

#include "core/check.hpp"

namespace lorry::optim {

double global_norm(ops::Ops& ops, std::span<const Parameter> parameters) {
  double sum = 0;
  for (const Parameter& parameter : parameters) sum += ops.sum_of_squares(parameter.gradient);
  return std::sqrt(sum);
}

float clip_scale(double norm, double max_norm) {
  LORRY_CHECK(std::isfinite(norm) && norm >= 0 && max_norm >= 0);
  if (max_norm == 0) return 1.0F;
  return static_cast<float>(std::min(1.0, max_norm / (norm + 1e-6)));
}

}  // namespace lorry::optim
