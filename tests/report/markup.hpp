// A strict little reader of the HTML and SVG that report/ writes: what it does not understand is an error.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace lorry::report {

struct Element {
  std::string name;
  std::map<std::string, std::string> attributes;  // character references resolved
  std::string text;                               // directly within, references resolved
  std::size_t parent = 0;                         // index; the root is its own

  /// The attribute's value; empty, and a failed test, where there is none.
  [[nodiscard]] std::string at(const std::string& attribute) const;
};

struct Markup {
  std::string error;  // of the first thing that is not well-formed; empty: none
  std::vector<Element> elements;

  /// Elements of a name, and of a class if one is given.
  [[nodiscard]] std::vector<Element> all(std::string_view name, std::string_view css_class = {}) const;
  /// Whether `ancestor` is an element of that name above `element`.
  [[nodiscard]] bool within(const Element& element, std::string_view ancestor) const;
};

/// Quoted attributes, each once; every element closed in order, but for HTML's void ones; no bare & or <;
/// <script> and <style> taken as they are. An XML declaration or doctype may come first.
Markup read_markup(std::string_view text);

}  // namespace lorry::report
