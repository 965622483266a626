#include "report/markup.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>

namespace lorry::report {

namespace {

bool is_void(std::string_view name) {
  return name == "meta" || name == "img" || name == "br" || name == "wbr";
}
bool is_raw(std::string_view name) {
  return name == "script" || name == "style";
}
bool is_name(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == ':';
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  Markup read() {
    if (text_.starts_with("<?xml ")) at_ = text_.find("?>") + 2;
    if (text_.starts_with("<!DOCTYPE html>")) at_ = text_.find('>') + 1;
    while (at_ < text_.size() && markup_.error.empty()) step();
    if (markup_.error.empty() && !open_.empty()) fail("not closed: " + markup_.elements[open_.back()].name);
    if (markup_.error.empty() && roots_ != 1) fail(std::to_string(roots_) + " roots");
    return std::move(markup_);
  }

 private:
  void fail(const std::string& what) {
    if (markup_.error.empty())
      markup_.error = what + " at " + std::to_string(at_) + ": " + std::string(text_.substr(at_, 60));
  }

  [[nodiscard]] bool take(std::string_view what) {
    if (!text_.substr(at_).starts_with(what)) return false;
    at_ += what.size();
    return true;
  }

  std::string name() {
    const std::size_t from = at_;
    while (at_ < text_.size() && is_name(text_[at_])) ++at_;
    if (at_ == from) fail("a name expected");
    return std::string(text_.substr(from, at_ - from));
  }

  // Text up to `end`, its references resolved.
  std::string characters(char end) {
    std::string out;
    while (at_ < text_.size() && text_[at_] != end && markup_.error.empty()) {
      if (text_[at_] == '<') fail("a bare <");
      if (text_[at_] != '&') {
        out += text_[at_++];
        continue;
      }
      static constexpr std::pair<std::string_view, char> kKnown[] = {
          {"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&#39;", '\''}, {"&#10;", '\n'}};
      bool known = false;
      for (const auto& [reference, c] : kKnown) {
        if (known || !take(reference)) continue;
        out += c;
        known = true;
      }
      if (!known) fail("a bare &");
    }
    return out;
  }

  void step() {
    if (text_[at_] != '<') {
      const std::string text = characters('<');
      if (!open_.empty()) {
        markup_.elements[open_.back()].text += text;
      } else if (text.find_first_not_of(" \n") != std::string::npos) {
        fail("text outside of the root");
      }
    } else if (take("</")) {
      const std::string closed = name();
      if (open_.empty() || markup_.elements[open_.back()].name != closed)
        fail("closes out of order: " + closed);
      if (!take(">")) fail("> expected");
      if (!open_.empty()) open_.pop_back();
    } else {
      ++at_;
      element();
    }
  }

  void element() {
    Element element;
    element.name = name();
    element.parent = open_.empty() ? markup_.elements.size() : open_.back();
    if (open_.empty()) ++roots_;
    while (take(" ")) {
      const std::string attribute = name();
      if (!take("=\"")) fail("=\" expected");
      if (!element.attributes.emplace(attribute, characters('"')).second) fail("twice: " + attribute);
      if (!take("\"")) fail("\" expected");
      if (!markup_.error.empty()) return;
    }
    const bool empty = take("/>");
    if (!empty && !take(">")) fail("> expected");
    const bool opens = !empty && !is_void(element.name);
    if (opens && is_raw(element.name)) {
      const std::size_t end = std::min(text_.find("</" + element.name, at_), text_.size());
      element.text = text_.substr(at_, end - at_);
      at_ = end;
    }
    if (opens) open_.push_back(markup_.elements.size());
    markup_.elements.push_back(std::move(element));
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int roots_ = 0;
  Markup markup_;
  std::vector<std::size_t> open_;
};

}  // namespace

std::string Element::at(const std::string& attribute) const {
  const auto found = attributes.find(attribute);
  if (found != attributes.end()) return found->second;
  ADD_FAILURE() << name << " has no " << attribute;
  return {};
}

std::vector<Element> Markup::all(std::string_view name, std::string_view css_class) const {
  std::vector<Element> found;
  for (const Element& element : elements) {
    if (element.name != name) continue;
    if (!css_class.empty() && (element.attributes.count("class") == 0 || element.at("class") != css_class))
      continue;
    found.push_back(element);
  }
  return found;
}

bool Markup::within(const Element& element, std::string_view ancestor) const {
  for (std::size_t at = element.parent;; at = elements[at].parent) {
    if (elements[at].name == ancestor) return true;
    if (elements[at].parent == at) return false;
  }
}

Markup read_markup(std::string_view text) {
  return Reader(text).read();
}

}  // namespace lorry::report
