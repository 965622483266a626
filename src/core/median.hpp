// core/median.hpp: the one median of this program.
#pragma once
#include <vector>

namespace lorry {

/// Of the values that are finite: the middle one, or the mean of the two in the middle; NaN where there is
/// none.
double median(std::vector<double> values);

}  // namespace lorry
