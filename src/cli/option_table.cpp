#include "cli/option_table.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <utility>

#include "core/check.hpp"
#include "core/option_error.hpp"
#include "io/message_text.hpp"

namespace lorry::cli {

namespace {

std::string replaced(std::string_view text, char from, char to) {
  std::string result(text);
  std::replace(result.begin(), result.end(), from, to);
  return result;
}

void emit_items(const Binding& binding, YAML::Emitter& emitter) {
  const std::vector<std::string> items = binding.items();
  const bool pairs = binding.is_pairs && !items.empty() && items.front().find('=') != std::string::npos;
  if (!pairs) {
    emitter << items;
    return;
  }
  emitter << YAML::BeginMap;
  for (const std::string& item : items) {
    const std::size_t split = item.rfind('=');
    emitter << YAML::Key << item.substr(0, split) << YAML::Value << item.substr(split + 1);
  }
  emitter << YAML::EndMap;
}

}  // namespace

Option& OptionTable::add(std::string name, std::string placeholder, Binding binding, std::string help) {
  Option option{.name = std::move(name),
                .placeholder = std::move(placeholder),
                .help = std::move(help),
                .group = group_,
                .binding = std::move(binding)};
  if (!option.binding.is_switch) option.default_text = option.binding.show();
  return options_.emplace_back(std::move(option));
}

const Option* OptionTable::find(std::string_view name) const {
  const std::string wanted = replaced(name, '_', '-');
  const auto found = std::find_if(options_.begin(), options_.end(),
                                  [&](const Option& option) { return option.name == wanted; });
  return found == options_.end() ? nullptr : &*found;
}

Option* OptionTable::find(std::string_view name) {
  const Option* found = std::as_const(*this).find(name);
  return found == nullptr ? nullptr : &options_[static_cast<std::size_t>(found - options_.data())];
}

Source OptionTable::source(std::string_view name) const {
  for (const Option& option : options_) {
    if (option.name == name) return option.source;
  }
  check_failed(__FILE__, __LINE__, fmt::format("no option {}", name));
}

void OptionTable::set(Option& option, const std::string& text, Source source, const std::string& where) {
  if (!option.binding.read(text)) {
    throw OptionError("{}: found {}; expected {}", where, io::in_quotes(text), option.binding.expected);
  }
  option.source = source;
  option.texts.push_back(text);
}

void OptionTable::check_required() const {
  for (const Option& option : options_) {
    if (!option.required || std::ssize(option.texts) >= option.least) continue;
    if (!option.instead.empty() && source(option.instead) != Source::kDefault) continue;
    if (option.positional) {
      throw OptionError("{}: found {}; expected {}{}", option.placeholder,
                        option.texts.empty() ? "none" : fmt::format("{}", option.texts.size()),
                        option.least == 1 ? "one" : fmt::format("{}", option.least),
                        option.repeated ? " or more" : "");
    }
    throw OptionError("--{}: missing; expected --{} {}", option.name, option.name, option.placeholder);
  }
}

std::string to_yaml(const OptionTable& table, const std::function<bool(const Option&)>& include) {
  YAML::Emitter emitter;
  emitter << YAML::BeginMap;
  for (const Option& option : table.options()) {
    const std::string value = option.binding.show();
    if (!option.in_config || value.empty() || !include(option)) continue;
    emitter << YAML::Key << replaced(option.name, '-', '_') << YAML::Value;
    if (option.binding.items) {
      emit_items(option.binding, emitter);
    } else if (option.listed) {
      emitter << option.texts;
    } else {
      emitter << value;
    }
  }
  emitter << YAML::EndMap;
  return std::string(emitter.c_str()) + "\n";
}

}  // namespace lorry::cli
