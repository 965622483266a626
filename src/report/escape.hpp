// report/escape.hpp: names and messages come from files, so every one goes through here before it is shown.
#pragma once
#include <string>
#include <string_view>

#include "core/index.hpp"

namespace lorry::report {

/// One line of valid UTF-8: line breaks and tabs become spaces; invalid bytes, other control characters and
/// those that reverse the direction of what follows become U+FFFD.
std::string printable(std::string_view text);

/// printable() text for HTML and XML, in an element or a quoted attribute.
std::string escaped(std::string_view text);

/// `text` as a field of a CSV file (RFC 4180).
std::string csv_field(const std::string& text);

/// Columns that printable text takes on a terminal.
Index display_width(std::string_view text);

/// `text` if it is no wider than `width`, 3 or more; else its beginning and end around an ellipsis, for names
/// that differ at both ends.
std::string elided(std::string_view text, Index width);

}  // namespace lorry::report
