// model/name_pattern.hpp: regular expressions over module names, as PEFT's Python would match them.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/index.hpp"

namespace lorry::model {

class NamePattern {
 public:
  /// A pattern that must match a whole name: re.fullmatch. Throws Error for a malformed one; `where` begins
  /// the message.
  static NamePattern whole(const std::string& pattern, std::string_view where);
  /// A key of rank_pattern or alpha_pattern, which must match from the start of a name or from behind a dot:
  /// re.match(rf"(.*\.)?({key})$", name). Throws Error as above.
  static NamePattern key(const std::string& key, std::string_view where);

  /// A word of layers_pattern, which must stand before the number of a layer:
  /// re.match(rf"(?:^|.*?\.){word}\.(?P<idx>\d+)\.", name). Throws Error as above.
  static NamePattern layer(const std::string& word, std::string_view where);
  /// Any word before a number: re.match(r".*?\.[^.]*\.(?P<idx>\d+)\.", name).
  static NamePattern any_layer();

  [[nodiscard]] bool matches(const std::string& name) const;
  /// Of a pattern of layers: the number in `name`. Nothing where it does not match.
  [[nodiscard]] std::optional<Index> layer_number(const std::string& name) const;

 private:
  struct Compiled;
  struct Free {
    void operator()(Compiled* compiled) const;
  };
  /// Compiles before + text + after; messages are about `text`.
  NamePattern(std::string_view before, const std::string& text, std::string_view after, unsigned options,
              std::string_view where);

  std::unique_ptr<Compiled, Free> compiled_;
};

/// "q_proj" of "model.layers.0.self_attn.q_proj".
std::string last_part(const std::string& module);

}  // namespace lorry::model
