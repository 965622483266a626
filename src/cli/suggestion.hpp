// cli/suggestion.hpp: what the user may have meant by a name that does not exist.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/option_table.hpp"

namespace lorry::cli {

/// `; did you mean "lr"?` for a name close to one of `names` (with dashes) or `further`, or used for one of
/// `names` by other trainers; else the list of `names`. Either ends a message.
std::string suggest_option(std::string_view unknown, const std::vector<std::string_view>& names,
                           const std::vector<std::string_view>& further = {});
/// The same for the options of a table and the sections of its file; further: what other trainers call them.
std::string suggest_option(std::string_view unknown, const OptionTable& table,
                           const std::vector<std::string_view>& sections = {});

/// The same for any names, without those of other trainers: commands.
std::string suggest_name(std::string_view unknown, std::span<const std::string_view> names);

}  // namespace lorry::cli
