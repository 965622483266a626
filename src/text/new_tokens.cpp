#include "text/new_tokens.hpp"

#include <algorithm>
#include <map>

#include "core/error.hpp"
#include "text/json_field.hpp"
#include "text/utf8.hpp"
#include "text/vocabulary.hpp"

namespace lorry::text {

namespace {

std::string quoted(const std::string& token) {
  return nlohmann::json(token).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// Every token of the document with its id.
std::map<std::string, std::int32_t> tokens_of(const JsonField& root) {
  std::map<std::string, std::int32_t> known;
  const JsonField vocabulary = root.at("model").at("vocab");
  if (!vocabulary.is_object()) vocabulary.fail("an object");
  for (const auto& [token, id] : vocabulary.raw().items()) {
    const JsonField field(id, root.file(), "model.vocab");
    known.emplace(token, static_cast<std::int32_t>(field.integer(0, kMaxTokenId)));
  }
  if (!root.has("added_tokens")) return known;
  const JsonField added = root.at("added_tokens");
  for (Index i = 0; i < added.size(); ++i) {
    const JsonField token = added.element(i);
    known[token.at("content").string()] = static_cast<std::int32_t>(token.at("id").integer(0, kMaxTokenId));
  }
  return known;
}

}  // namespace

std::vector<std::int32_t> append_tokens(const std::vector<std::string>& tokens, const std::string& file,
                                        nlohmann::json& document) {
  std::map<std::string, std::int32_t> known = tokens_of(JsonField(document, file));
  std::int32_t next = 0;
  for (const auto& [token, id] : known) next = std::max(next, id + 1);
  const std::int32_t first = next;
  nlohmann::json& list = document["added_tokens"];
  if (list.is_null()) list = nlohmann::json::array();
  std::vector<std::int32_t> ids;
  ids.reserve(tokens.size());
  for (const std::string& token : tokens) {
    if (token.empty() || !is_valid_utf8(token)) {
      throw Error("--add-tokens: found {}; expected texts in UTF-8", quoted(token));
    }
    const auto [before, is_new] = known.emplace(token, next);
    if (!is_new && before->second >= first) {
      throw Error("--add-tokens: found {} twice; expected every token once", quoted(token));
    }
    if (!is_new) {
      throw Error(
          "--add-tokens: found {}, which {} has as {}; expected new ones (rows of those that are there "
          "train by --trainable-token-indices)",
          quoted(token), file, before->second);
    }
    list.push_back(special_token_entry<nlohmann::json>(next, token));
    ids.push_back(next++);
  }
  return ids;
}

}  // namespace lorry::text
