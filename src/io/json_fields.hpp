// io/json_fields.hpp: fields of a JSON object, read with messages that a user can act on.
#pragma once
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/index.hpp"
#include "io/json_file.hpp"

namespace lorry::io {

/// The value at `field`, a key or keys joined by dots ("rope_scaling.factor"); nullptr if it is absent or
/// null, since the Hugging Face files write null for "not set". Throws Error if something before the last dot
/// is not an object.
const Json* find_field(const Json& object, std::string_view field, std::string_view file);

// Each getter throws Error `[load] FILE: field "NAME": found VALUE; expected WHAT` if the value is missing or
// of another kind; `find_` ones give nothing where the field is absent or null, but still refuse another
// kind.

/// An integer from `least` to `most`; the plain call takes positive ones, as sizes are.
Index get_index(const Json& object, std::string_view field, std::string_view file, Index least = 1,
                Index most = std::numeric_limits<Index>::max());
std::optional<Index> find_index(const Json& object, std::string_view field, std::string_view file,
                                Index least = 1, Index most = std::numeric_limits<Index>::max());

/// A finite number, integers included.
double get_number(const Json& object, std::string_view field, std::string_view file);
std::optional<double> find_number(const Json& object, std::string_view field, std::string_view file);

bool get_bool(const Json& object, std::string_view field, std::string_view file);
std::optional<bool> find_bool(const Json& object, std::string_view field, std::string_view file);

std::string get_string(const Json& object, std::string_view field, std::string_view file);
std::optional<std::string> find_string(const Json& object, std::string_view field, std::string_view file);

std::vector<std::string> get_strings(const Json& object, std::string_view field, std::string_view file);
std::optional<std::vector<std::string>> find_strings(const Json& object, std::string_view field,
                                                     std::string_view file);

/// A list or an object, as it is in `object`.
const Json& get_array(const Json& object, std::string_view field, std::string_view file);
const Json& get_object(const Json& object, std::string_view field, std::string_view file);

/// Throws the Error of the getters: `found` may be nullptr (missing). For checks that are not above.
[[noreturn]] void throw_field_error(std::string_view file, std::string_view field, const Json* found,
                                    std::string_view expected);

}  // namespace lorry::io
