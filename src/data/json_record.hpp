// data/json_record.hpp: fields of a record's JSON, with errors that name file, line and field.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "data/record.hpp"

namespace lorry::data {

using Json = nlohmann::ordered_json;  // lists of tools keep their order

/// The member; `path` names it in messages. Throws Error where it is missing.
const Json& get_member(const Json& object, const std::string& key, const std::string& where,
                       std::string_view path);
/// A string member. Throws Error where it is missing or something else.
std::string get_string(const Json& object, const std::string& key, const std::string& where,
                       std::string_view path);
/// The same, empty where it is missing or null.
std::string get_string_or_empty(const Json& object, const std::string& key, const std::string& where);

/// A conversation of {"messages"}, an alpaca record or a sharegpt record.
text::Conversation to_conversation(const Json& object, RecordKind kind, const RecordKeys& keys,
                                   const std::string& where);

}  // namespace lorry::data
