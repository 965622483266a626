#include "report/group_names.hpp"

#include <algorithm>

#include "report/escape.hpp"
#include "report/svg.hpp"

namespace lorry::report {

namespace {

constexpr double kLongest = 150.0;  // of a name that stands upright
constexpr double kNameLine = 16.0;
constexpr std::size_t kMostLines = 3;

// Broken at spaces so that lines stay below `most` where words do.
std::vector<std::string> wrapped(const std::string& text, double most) {
  std::vector<std::string> lines(1);
  for (std::size_t from = 0; from < text.size();) {
    const std::size_t end = std::min(text.find(' ', from), text.size());
    const std::string word = text.substr(from, end - from);
    std::string& line = lines.back();
    if (line.empty()) {
      line = word;
    } else if (text_width(line) + text_width(" ") + text_width(word) <= most) {
      line += ' ';
      line += word;
    } else {
      lines.push_back(word);
    }
    from = end + 1;
  }
  return lines;
}

}  // namespace

GroupNames::GroupNames(const std::vector<std::string>& names, double most) : names_(names) {
  for (const std::string& name : names) {
    widest_ = std::max(widest_, label_of(name, kLongest).width);
    const std::vector<std::string>& lines = lines_.emplace_back(wrapped(printable(name), most));
    most_lines_ = std::max(most_lines_, lines.size());
    upright_ = upright_ || lines.size() > kMostLines;
    for (const std::string& line : lines) upright_ = upright_ || text_width(line) > most;
  }
}

double GroupNames::height() const {
  return upright_ ? widest_ + 12.0 : kNameLine * static_cast<double>(most_lines_) + 6.0;
}

std::string GroupNames::at(Index group, double middle, double top) const {
  const auto which = static_cast<std::size_t>(group);
  if (upright_) return upward_text_at(middle + 4, top + 8, Anchor::kEnd, label_of(names_[which], kLongest));
  std::string out;
  double baseline = top + 2.0;
  for (const std::string& line : lines_[which]) {
    baseline += kNameLine;
    out += text_at(middle, baseline, Anchor::kMiddle, {escaped(line), text_width(line)});
  }
  return out;
}

}  // namespace lorry::report
