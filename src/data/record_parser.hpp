// data/record_parser.hpp: one line of JSONL as a record.
#pragma once
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "data/record.hpp"

namespace lorry::data {

/// Parses a line; `where` is "FILE:LINE". `kind` is that of the file's first record; empty: this is it. Other
/// keys than the kind's are ignored, as mlx-lm does. Throws Error with `where` for malformed JSON, a missing
/// key, a value of another type, invalid UTF-8, a role that nobody has and an empty completion.
Record parse_record(std::string_view line, std::optional<RecordKind> kind, const RecordKeys& keys,
                    const std::string& where);

/// A value as Jinja's tojson of transformers writes it. Throws Error for one that nests deeper than 100.
std::string python_json(const nlohmann::ordered_json& value, const std::string& where);

}  // namespace lorry::data
