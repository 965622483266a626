// model/name_pattern.hpp: regular expressions over module names, as PEFT's Python would match them.
#pragma once
#include <memory>
#include <string>
#include <string_view>

namespace lorry::model {

class NamePattern {
 public:
  /// A pattern that must match a whole name: re.fullmatch. Throws Error for a malformed one; `where` begins
  /// the message.
  static NamePattern whole(const std::string& pattern, std::string_view where);
  /// A key of rank_pattern or alpha_pattern, which must match from the start of a name or from behind a dot:
  /// re.match(rf"(.*\.)?({key})$", name). Throws Error as above.
  static NamePattern key(const std::string& key, std::string_view where);

  [[nodiscard]] bool matches(const std::string& name) const;

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
