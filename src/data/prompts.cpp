#include "data/prompts.hpp"

#include "core/error.hpp"
#include "data/text_lines.hpp"
#include "io/text_file.hpp"

namespace lorry::data {

namespace {

std::string prompt_of(std::string_view line, const std::string& where) {
  const nlohmann::ordered_json object = parse_object(line, where);
  const auto found = object.find("prompt");
  if (found == object.end())
    throw Error(R"([data] {}: key "prompt": missing; expected text to continue)", where);
  if (!found->is_string()) {
    throw Error(R"([data] {}: key "prompt": found {}; expected a string)", where, found->type_name());
  }
  return found->get<std::string>();
}

}  // namespace

std::vector<std::string> read_prompts(const std::filesystem::path& path) {
  const bool plain = is_plain_text(path);
  std::vector<std::string> prompts;
  const std::string bytes = io::read_text_file(path);
  for_each_line(without_byte_order_mark(bytes), path.string(),
                [&](std::string_view line, const std::string& where) {
                  if (is_blank(line)) return;
                  if (!plain) return prompts.push_back(prompt_of(line, where));
                  check_utf8(line, where);
                  if (line.ends_with('\r')) line.remove_suffix(1);
                  prompts.emplace_back(line);
                });
  if (prompts.empty()) throw Error("[data] {}: empty data; expected at least one prompt", path.string());
  return prompts;
}

}  // namespace lorry::data
