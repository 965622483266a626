#include "grammar.hpp"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <sstream>

#include "core/error.hpp"
#include "names.hpp"

namespace lorry::demo {

namespace {

constexpr int kMaxDepth = 60;  // a rule that calls itself must end

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (;;) {
    const auto end = text.find(separator);
    parts.emplace_back(trimmed(text.substr(0, end)));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

/// Position of the bracket that closes the one at `open`; npos when there is none.
std::size_t closing(std::string_view text, std::size_t open, char left, char right) {
  int depth = 0;
  for (std::size_t i = open; i < text.size(); ++i) {
    if (text[i] == left) ++depth;
    if (text[i] == right && --depth == 0) return i;
  }
  return std::string_view::npos;
}

char upper(char c) {
  return static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
}
bool is_letter(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) != 0;
}

/// "3x text" counts as three alternatives; returns the count and drops the mark.
Index take_weight(std::string_view& text) {
  std::size_t digits = 0;
  while (digits < text.size() && digits < 3 && std::isdigit(static_cast<unsigned char>(text[digits])) != 0)
    ++digits;
  if (digits == 0 || text.substr(digits, 2) != "x ") return 1;
  const Index weight = std::stol(std::string(text.substr(0, digits)));
  text = trimmed(text.substr(digits + 2));
  return weight;
}

/// True when the words after `a*` start with a vowel sound.
bool takes_an(std::string_view next) {
  const auto begin = std::find_if(next.begin(), next.end(), is_letter);
  const std::string_view word(begin, next.end());
  std::string low(word.substr(0, 4));
  for (char& c : low) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (low.starts_with("hour") || low.starts_with("hone")) return low != "hone" || word.starts_with("honest");
  if (low.starts_with("one") || low.starts_with("use") || low.starts_with("uni")) return false;
  return !low.empty() && std::string_view("aeiou").find(low[0]) != std::string_view::npos;
}

}  // namespace

Grammar Grammar::load(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(folder, failed)) {
    if (entry.path().extension() == ".grammar") files.push_back(entry.path());
  }
  if (failed || files.empty()) {
    throw Error("[grammar] {}: no *.grammar file found; expected a folder of them", folder.string());
  }
  std::sort(files.begin(), files.end());
  Grammar grammar;
  for (const auto& file : files) {
    std::ifstream in(file, std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    if (!in) throw Error("[grammar] {}: cannot be read", file.string());
    grammar.add(text.str(), file.filename().string());
  }
  return grammar;
}

void Grammar::add(std::string_view text, const std::string& name) {
  std::vector<std::string>* rule = nullptr;
  Table* table = nullptr;
  Index line_number = 0;
  while (!text.empty()) {
    const auto end = text.find('\n');
    std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++line_number;
    if (line.empty() || line.front() == '#') continue;
    if (line.front() == ':') {
      rule = &rules_[std::string(trimmed(line.substr(1)))];
      table = nullptr;
    } else if (line.front() == '=') {
      const auto colon = line.find(':');
      if (colon == std::string_view::npos)
        throw Error("[grammar] {}:{}: table without fields", name, line_number);
      table = &tables_[std::string(trimmed(line.substr(1, colon - 1)))];
      table->fields = split(line.substr(colon + 1), '|');
      rule = nullptr;
    } else if (table != nullptr) {
      table->rows.push_back(split(line, '|'));
      if (table->rows.back().size() != table->fields.size()) {
        throw Error("[grammar] {}:{}: {} columns; expected {}", name, line_number, table->rows.back().size(),
                    table->fields.size());
      }
    } else if (rule != nullptr) {
      const Index weight = take_weight(line);
      rule->insert(rule->end(), static_cast<std::size_t>(weight), std::string(line == "~" ? "" : line));
    } else {
      throw Error("[grammar] {}:{}: text outside a rule; expected \":name\" or \"=table: fields\"", name,
                  line_number);
    }
  }
}

const std::vector<std::string>* Grammar::rule(std::string_view name) const {
  const auto found = rules_.find(name);
  return found == rules_.end() ? nullptr : &found->second;
}

const Table* Grammar::table(std::string_view name) const {
  const auto found = tables_.find(name);
  return found == tables_.end() ? nullptr : &found->second;
}

std::string Expansion::document(std::string_view rule) {
  return finish_text(value(rule));
}

void Expansion::bind(const std::string& key, std::map<std::string, std::string, std::less<>> fields) {
  bound_[key] = std::move(fields);
}

std::string Expansion::expand(std::string_view text) {
  if (++depth_ > kMaxDepth) throw Error("[grammar] rules nest deeper than {}: \"{}\"", kMaxDepth, text);
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\' && i + 1 < text.size() && text[i + 1] == 'n') {
      out += '\n';
      ++i;
    } else if (c == '[' || c == '{') {
      const std::size_t end = closing(text, i, c, c == '[' ? ']' : '}');
      if (end == std::string_view::npos) throw Error("[grammar] \"{}\": unclosed '{}'", text, c);
      const std::string_view body = text.substr(i + 1, end - i - 1);
      out += c == '[' ? choose(body) : command(body);
      i = end;
    } else {
      out += c;
    }
  }
  --depth_;
  return out;
}

std::string Expansion::choose(std::string_view alternatives) {
  std::vector<std::string_view> options;
  int depth = 0;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= alternatives.size(); ++i) {
    if (i < alternatives.size()) {
      const char c = alternatives[i];
      if (c == '[' || c == '{') ++depth;
      if (c == ']' || c == '}') --depth;
      if (c != '|' || depth != 0) continue;
    }
    options.push_back(alternatives.substr(begin, i - begin));
    begin = i + 1;
  }
  return expand(options[static_cast<std::size_t>(rng_.next_below(static_cast<Index>(options.size())))]);
}

/// `new KEY TABLE` and `set KEY TEXT` bind and print nothing; anything else is a symbol, `^symbol`
/// capitalised.
std::string Expansion::command(std::string_view body) {
  if (body.starts_with("new ")) {
    const std::vector<std::string> words = split(expand(body), ' ');
    if (words.size() != 3) throw Error("[grammar] \"{}\": expected {{new KEY TABLE}}", body);
    draw(words[1], words[2]);
    return {};
  }
  if (body.starts_with("set ")) {
    const auto space = body.find(' ', 4);
    if (space == std::string_view::npos) throw Error("[grammar] \"{}\": expected {{set KEY TEXT}}", body);
    bound_[std::string(body.substr(4, space - 4))] = {{"name", expand(body.substr(space + 1))}};
    return {};
  }
  std::string symbol = expand(body);
  if (!symbol.starts_with('^')) return value(symbol);
  std::string text = value(std::string_view(symbol).substr(1));
  if (!text.empty()) text[0] = upper(text[0]);
  return text;
}

/// Binds a row that this document has not used yet, so that two draws from one table differ.
void Expansion::draw(const std::string& key, const std::string& table_name) {
  if (is_name_kind(table_name)) {
    bound_[key] = make_name(table_name, rng_);
    return;
  }
  const Table* table = grammar_.table(table_name);
  if (table == nullptr) throw Error("[grammar] no table \"{}\" for \"{}\"", table_name, key);
  const auto rows = static_cast<Index>(table->rows.size());
  std::vector<Index>& used = used_rows_[table_name];
  if (static_cast<Index>(used.size()) >= rows) used.clear();
  Index row = rng_.next_below(rows);
  while (std::find(used.begin(), used.end(), row) != used.end()) row = (row + 1) % rows;
  used.push_back(row);
  std::map<std::string, std::string, std::less<>> fields;
  for (std::size_t i = 0; i < table->fields.size(); ++i) {
    fields[table->fields[i]] = table->rows[static_cast<std::size_t>(row)][i];
  }
  fields["name"] = fields[table->fields.front()];
  bound_[key] = std::move(fields);
}

std::string Expansion::value(std::string_view symbol) {
  const auto dot = symbol.find('.');
  const auto found = bound_.find(symbol.substr(0, dot));
  if (found != bound_.end()) {
    const auto field = found->second.find(dot == std::string_view::npos ? "name" : symbol.substr(dot + 1));
    if (field == found->second.end()) throw Error("[grammar] {{{}}}: no such field", symbol);
    return expand(std::string(field->second));
  }
  const std::vector<std::string>* alternatives = grammar_.rule(symbol);
  if (alternatives == nullptr || alternatives->empty())
    throw Error("[grammar] {{{}}}: neither bound nor a rule", symbol);
  const Index chosen = rng_.next_below(static_cast<Index>(alternatives->size()));
  return expand((*alternatives)[static_cast<std::size_t>(chosen)]);
}

std::string finish_text(std::string_view text) {
  std::string out;
  bool start = true;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool article = (c == 'a' || c == 'A') && text.substr(i + 1, 1) == "*";
    if (article) {
      out += start ? 'A' : c;
      if (takes_an(text.substr(i + 2))) out += 'n';
      ++i;
      start = false;
      continue;
    }
    if (c == ' ' && (out.empty() || out.back() == ' ' || out.back() == '\n')) continue;
    if (c == '\n') {
      while (!out.empty() && out.back() == ' ') out.pop_back();
      start = true;
    } else if (is_letter(c)) {
      out += start ? upper(c) : c;
      start = false;
      continue;
    } else if (c == ' ' && !out.empty()) {
      const bool quoted = out.back() == '"' && out.size() > 1;
      const char mark = quoted ? out[out.size() - 2] : out.back();
      if (mark == '.' || (!quoted && (mark == '!' || mark == '?'))) start = true;
    } else if (std::isdigit(static_cast<unsigned char>(c)) != 0) {
      start = false;
    }
    out += c;
  }
  return out;
}

}  // namespace lorry::demo
