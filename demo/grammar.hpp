// demo/grammar.hpp: a text grammar read from small files: rules (a name and its alternatives) and tables
// (rows of related words), expanded with one Rng. demo/README.md describes the notation.
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/rng.hpp"

namespace lorry::demo {

/// Words that belong together, such as a trade, its tool and its product: one row each, addressed by field
/// name.
struct Table {
  std::vector<std::string> fields;
  std::vector<std::vector<std::string>> rows;  // each of fields.size() entries
};

/// Rules and tables of one folder of `*.grammar` files; immutable once loaded.
class Grammar {
 public:
  /// Reads every `*.grammar` file of `folder` in order of file name.
  /// Throws Error naming file and line: an unreadable folder, a row of the wrong width, text outside any
  /// rule.
  static Grammar load(const std::filesystem::path& folder);

  /// Reads one grammar text; `name` is the file that errors cite.
  void add(std::string_view text, const std::string& name);

  /// Null when there is no rule or table of that name.
  [[nodiscard]] const std::vector<std::string>* rule(std::string_view name) const;
  [[nodiscard]] const Table* table(std::string_view name) const;

 private:
  std::map<std::string, std::vector<std::string>, std::less<>> rules_;
  std::map<std::string, Table, std::less<>> tables_;
};

/// One document's expansion: the names it has bound, so that what is introduced once recurs.
class Expansion {
 public:
  /// Both must outlive the expansion.
  Expansion(const Grammar& grammar, Rng& rng) : grammar_(grammar), rng_(rng) {}

  /// Expands a rule to finished text: articles chosen, sentences capitalised.
  /// Throws Error naming the symbol that is neither bound nor a rule.
  std::string document(std::string_view rule);

  /// Expands template text without the finishing pass.
  std::string expand(std::string_view text);

  /// Binds `key` to field values; `key` alone prints the field "name".
  void bind(const std::string& key, std::map<std::string, std::string, std::less<>> fields);

 private:
  std::string command(std::string_view body);
  void draw(const std::string& key, const std::string& table);
  std::string value(std::string_view symbol);
  std::string choose(std::string_view alternatives);

  const Grammar& grammar_;
  Rng& rng_;
  int depth_ = 0;
  std::map<std::string, std::map<std::string, std::string, std::less<>>, std::less<>> bound_;
  std::map<std::string, std::vector<Index>, std::less<>> used_rows_;
};

/// The finishing pass of Expansion::document: `a*` becomes "a" or "an", sentences start with a capital,
/// doubled spaces go.
std::string finish_text(std::string_view text);

}  // namespace lorry::demo
