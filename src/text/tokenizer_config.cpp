#include "text/tokenizer_config.hpp"

#include "text/json_field.hpp"

namespace lorry::text {

namespace {

// A token is a string, or an object whose content is one.
std::optional<std::string> read_token(const JsonField& config, const char* key) {
  if (!config.has(key)) return std::nullopt;
  const JsonField token = config.at(key);
  if (!token.is_string() && !token.is_object()) token.fail("a string or an object");
  return token.is_string() ? token.string() : token.at("content").string();
}

// A template is a string, or a list of {name, template}, of which we take "default".
std::optional<std::string> read_template(const JsonField& config) {
  if (!config.has("chat_template")) return std::nullopt;
  const JsonField field = config.at("chat_template");
  if (field.is_string()) return field.string();
  if (!field.raw().is_array()) field.fail("a string or a list");
  for (Index i = 0; i < field.size(); ++i) {
    const JsonField entry = field.element(i);
    if (entry.at("name").string() == "default") return entry.at("template").string();
  }
  return std::nullopt;
}

}  // namespace

TokenizerConfig read_tokenizer_config(const std::filesystem::path& folder) {
  TokenizerConfig config;
  const std::filesystem::path path = folder / "tokenizer_config.json";
  if (std::filesystem::exists(path)) {
    const nlohmann::json document = read_json_file(path);
    const std::string file = path.string();
    const JsonField root(document, file);
    config.bos_token = read_token(root, "bos_token");
    config.eos_token = read_token(root, "eos_token");
    if (root.has("add_bos_token")) config.add_bos_token = root.at("add_bos_token").boolean();
    config.chat_template = read_template(root);
  }
  const std::filesystem::path jinja = folder / "chat_template.jinja";
  if (std::filesystem::exists(jinja)) config.chat_template = read_file(jinja);
  return config;
}

}  // namespace lorry::text
