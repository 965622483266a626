// report/group_names.hpp: the names of a bar chart's groups under their bars.
#pragma once
#include <string>
#include <vector>

#include "core/index.hpp"

namespace lorry::report {

class GroupNames {
 public:
  /// Names are at most `most` pixels wide, in one to three lines broken at spaces; where a word does not fit,
  /// all of them stand upright.
  GroupNames(const std::vector<std::string>& names, double most);

  /// Pixels that the names need.
  [[nodiscard]] double height() const;
  /// The name of `group` centred at `middle`, below `top`.
  [[nodiscard]] std::string at(Index group, double middle, double top) const;

 private:
  std::vector<std::string> names_;
  std::vector<std::vector<std::string>> lines_;  // of each name
  std::size_t most_lines_ = 1;
  double widest_ = 0.0;
  bool upright_ = false;
};

}  // namespace lorry::report
