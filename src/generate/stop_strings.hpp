// generate/stop_strings.hpp: a text that comes in pieces, cut before the first of some strings.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace lorry::generate {

class StopStrings {
 public:
  /// None: everything passes. Throws Error if one is empty.
  explicit StopStrings(std::vector<std::string> stops);

  /// The next piece (UTF-8); returns what is certain to stand before every stop string. Held back is only
  /// what may be the beginning of one. Nothing passes once one was found.
  std::string push(std::string_view piece);
  /// The text has ended: what was held back.
  std::string finish();

  [[nodiscard]] bool found() const noexcept { return found_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  bool found_ = false;
};

}  // namespace lorry::generate
