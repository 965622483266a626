#include "cli/yaml_text.hpp"

#include <yaml-cpp/eventhandler.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "core/error.hpp"
#include "core/index.hpp"
#include "io/message_text.hpp"
#include "io/text_file.hpp"
#include "text/utf8.hpp"

namespace lorry::cli {

namespace {

constexpr Index kMaxConfigBytes = Index{1} << 20;

std::string place(const std::filesystem::path& file, const YAML::Mark& mark) {
  return fmt::format("[config] {}:{}", file.string(), mark.line + 1);
}

/// Keys and values go to names, messages and JSON, none of which can hold anything else.
void check_utf8(const std::filesystem::path& file, const std::string& text) {
  if (text::is_valid_utf8(text)) return;
  const std::string repaired = text::replace_invalid_utf8(text);
  const auto bad = std::mismatch(text.begin(), text.end(), repaired.begin(), repaired.end()).first;
  throw Error("[config] {}:{}: found text that is not UTF-8; expected a file in UTF-8", file.string(),
              std::count(text.begin(), bad, '\n') + 1);
}

/// Where a document's first node stands; nothing else of it.
class FirstNode : public YAML::EventHandler {
 public:
  YAML::Mark mark = YAML::Mark::null_mark();

  void OnDocumentStart(const YAML::Mark& /*mark*/) override { mark = YAML::Mark::null_mark(); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& at, YAML::anchor_t /*anchor*/) override { see(at); }
  void OnAlias(const YAML::Mark& at, YAML::anchor_t /*anchor*/) override { see(at); }
  void OnScalar(const YAML::Mark& at, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                const std::string& /*value*/) override {
    see(at);
  }
  void OnSequenceStart(const YAML::Mark& at, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                       YAML::EmitterStyle::value /*style*/) override {
    see(at);
  }
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark& at, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                  YAML::EmitterStyle::value /*style*/) override {
    see(at);
  }
  void OnMapEnd() override {}

 private:
  void see(const YAML::Mark& at) {
    if (mark.is_null()) mark = at;
  }
};

/// Throws Error for more than one document. YAML::LoadAll would tell, but where text follows that belongs to
/// none, it finds empty documents without end.
void check_one_document(const std::filesystem::path& file, const std::string& text) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  FirstNode node;
  if (!parser.HandleNextDocument(node) || !parser.HandleNextDocument(node)) return;
  throw Error("{}: found a second document; expected one", place(file, node.mark));
}

}  // namespace

YAML::Node parse_yaml(const std::filesystem::path& file) {
  const std::string text = io::read_text_file(file, kMaxConfigBytes);
  check_utf8(file, text);
  try {
    check_one_document(file, text);
    return YAML::Load(text);
  } catch (const YAML::Exception& fault) {
    throw Error("{}: malformed YAML: {}", place(file, fault.mark), fault.msg);
  }
}

std::string yaml_place(const std::filesystem::path& file, const YAML::Node& node) {
  return place(file, node.Mark());
}

void for_each_key(const std::filesystem::path& file, const YAML::Node& mapping,
                  const std::function<void(const std::string& key, const YAML::Node& value,
                                           const std::string& where)>& take) {
  std::set<std::string> seen;
  for (const auto& entry : mapping) {
    const std::string where = yaml_place(file, entry.first);
    if (!entry.first.IsScalar()) throw Error("{}: found a key that is not a word", where);
    const std::string& key = entry.first.Scalar();
    std::string folded = key;
    std::replace(folded.begin(), folded.end(), '_', '-');
    if (!seen.insert(folded).second) throw Error("{}: key {} comes twice", where, io::in_quotes(key));
    take(key, entry.second, where);
  }
}

std::string yaml_text(const YAML::Node& value, std::string_view expected, const std::string& where) {
  if (value.IsScalar()) return value.Scalar();
  if (value.IsMap()) throw Error("{}: found a mapping; expected {}", where, expected);
  std::string list;
  for (const YAML::Node& item : value) {
    // A list is for options that take several names; the others refuse the text it becomes.
    if (!item.IsScalar()) throw Error("{}: found a nested list; expected {}", where, expected);
    list += (list.empty() ? "" : ",") + item.Scalar();
  }
  return list;
}

}  // namespace lorry::cli
