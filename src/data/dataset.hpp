// data/dataset.hpp: all records of some files as documents: in memory, or by an index where they are too
// many.
#pragma once
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/document.hpp"
#include "data/document_view.hpp"
#include "data/record_reader.hpp"
#include "data/sources.hpp"

namespace lorry::data {

/// Counts for the log, of one data set.
struct Statistics {
  Index records = 0;    // read
  Index documents = 0;  // kept; a cut record gives several
  Index tokens = 0;     // in kept documents
  Index targets = 0;    // of these, learnt
  Index cut = 0;        // records longer than the maximum, cut into windows
  Index dropped = 0;    // records, or windows of cut records, with nothing to learn
  Index repeated = 0;   // tokens, at most, that documents that share prompts are spared: rows_spared()

  /// The same as names and values, in the order in which to show them.
  [[nodiscard]] std::vector<std::pair<std::string_view, Index>> list() const;
};

/// Each document has at most max_seq_length tokens and at least one target.
struct Dataset {
  std::vector<Document> documents = {};  // empty where there is an index
  std::shared_ptr<const DocumentIndex> index = nullptr;
  std::vector<Share> shares = {};  // one for each file; empty where every weight is 1
  Statistics statistics = {};
  std::string chat_template = {};   // name of that of the last file that has conversations; empty without any
  std::string format = {};          // "prompt and completion", "messages (template chatml)"
  std::set<RecordKind> kinds = {};  // of the files' records
  Index hidden_tools = 0;           // records with tools that their template does not show

  [[nodiscard]] DocumentView view() const { return index ? DocumentView(*index) : DocumentView(documents); }
};

/// A record while a data set is made of it.
struct SeenRecord {
  const std::filesystem::path& file;
  Index line;
  const Document& document;  // uncut
};

/// Encodes all records of these files. One longer than `max_seq_length` (at least 2) becomes windows of that
/// length and a shorter last one, without overlap (cut_window). Documents without targets (windows that end
/// inside the prompt, empty texts) are dropped. With more tokens than options.memory only an index is kept.
/// Throws Error, also if nothing is left: every label is masked. `visit` (may be empty) is told every record.
Dataset load_dataset(const DataFiles& files, const Encoder& encoder, Index max_seq_length,
                     const DataOptions& options = {},
                     const std::function<void(const SeenRecord&)>& visit = {});

/// The same of records in memory; `source` names them in messages.
Dataset build_dataset(const std::vector<Record>& records, const Encoder& encoder, Index max_seq_length,
                      std::string_view source);

/// What the records of a kind are read as: "text", "messages (template chatml)". Throws Error where they need
/// a template and `encoder` has none.
std::string describe_format(const Encoder& encoder, RecordKind kind);

}  // namespace lorry::data
