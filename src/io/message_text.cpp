#include "io/message_text.hpp"

#include <system_error>

#include "io/json_file.hpp"

namespace lorry::io {

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kLongest = 100;
  std::string shown(text.substr(0, kLongest));
  if (text.size() > kLongest) shown += "...";
  return Json(std::move(shown)).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string errno_text(int error) {
  return std::generic_category().message(error);
}

}  // namespace lorry::io
