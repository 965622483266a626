// cli/aliases.hpp: names that users of axolotl, LLaMA-Factory, torchtune and mlx-lm bring along, as further
// names of options. They give values, never defaults: what a file leaves out is as Lorry has it.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/option_table.hpp"
#include "io/message_text.hpp"

namespace lorry::cli {

/// Another name of an option. A key within a mapping stands behind a dot: "lora-parameters.rank"; such a name
/// is no flag.
struct Alias {
  std::string_view name;    // with dashes
  std::string_view option;  // ours
  /// What ours is told; empty: not as expected. Null: the same text.
  std::optional<std::string> (*convert)(std::string_view) = nullptr;
  std::string_view expected = {};  // by convert
  bool is_switch = false;          // a flag without a value, where ours may have one
  bool joins = false;              // may come beside other names that do: their texts make one list
  bool per_rank = false;           // a number whose multiple by the rank is ours
  std::string_view value = {};     // not empty: for this text alone; another option of ours has the name

  [[nodiscard]] bool is_flag() const noexcept {
    return name.find('.') == std::string_view::npos && value.empty() && !joins;
  }
};

/// A key that asks for what Lorry does anyhow, or for what it does not do.
struct Settled {
  std::string_view name;    // with dashes and dots
  std::string_view values;  // with commas: those that change nothing
  std::string_view reason;  // why there are no others
};

/// Names that all tables may take, and those of tables that train.
std::span<const Alias> general_aliases();
std::span<const Alias> training_aliases();
/// Of tables that train.
std::span<const Settled> settled_keys();
/// Names without a counterpart of the same meaning, for suggestions: theirs and ours.
std::span<const std::pair<std::string_view, std::string_view>> hinted_names();

/// Whether the table's command trains.
bool trains(const OptionTable& table);
/// Those whose option the table has; a name that the table has itself is left to it, but for Alias::value.
std::vector<const Alias*> aliases_of(const OptionTable& table);
/// Dashes and underscores are the same. Null if there is none.
const Alias* find_alias(const OptionTable& table, std::string_view name, std::string_view text);
const Settled* find_settled(const OptionTable& table, std::string_view name);
/// What ours is told. Throws Fault, which begins with `where`, for what is not as expected.
template <class Fault>
std::string translate(const Alias& alias, const std::string& text, const std::string& where) {
  if (alias.convert == nullptr) return text;
  std::optional<std::string> ours = alias.convert(text);
  if (!ours) throw Fault("{}: found {}; expected {}", where, io::in_quotes(text), alias.expected);
  return *std::move(ours);
}
/// Whether some name begins with `name` and a dot: `name` may be a mapping.
bool holds_aliases(const OptionTable& table, std::string_view name);

}  // namespace lorry::cli
