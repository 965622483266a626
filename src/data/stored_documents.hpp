// data/stored_documents.hpp: documents by where their records stand in files, made again when they are asked
// for.
#pragma once
#include <list>
#include <memory>
#include <vector>

#include "data/document_view.hpp"
#include "data/record_reader.hpp"

namespace lorry::data {

class StoredDocuments final : public DocumentIndex {
 public:
  explicit StoredDocuments(Encoder encoder) : encoder_(std::move(encoder)) {}

  /// Ends a file: what was added since the last one stands in it.
  void add_file(std::unique_ptr<RecordReader> reader) { files_.push_back(std::move(reader)); }
  /// Tokens [first, first + length) of the record at `place`, which has `whole` tokens.
  void add(RecordPlace place, Index whole, Index first, Index length, PromptKey prompt);

  [[nodiscard]] Index size() const override { return std::ssize(entries_); }
  [[nodiscard]] Index length(Index i) const override { return entry(i).length; }
  [[nodiscard]] PromptKey prompt_key(Index i) const override { return entry(i).prompt; }
  /// Throws Error where the file has changed since.
  [[nodiscard]] Document make(Index i) const override;

 private:
  struct Entry {
    Index offset;
    Index line;
    std::int32_t file;
    std::int32_t length;
    Index first;
    Index whole;
    PromptKey prompt;
  };
  struct Made {
    std::int32_t file;
    Index offset;
    Document document;
  };

  [[nodiscard]] const Entry& entry(Index i) const { return entries_[static_cast<std::size_t>(i)]; }
  const Document& whole_record(const Entry& entry) const;

  Encoder encoder_;
  std::vector<std::unique_ptr<RecordReader>> files_;
  std::vector<Entry> entries_;
  mutable std::list<Made>
      made_;  // the records used last, newest first: windows of one often follow one another
};

}  // namespace lorry::data
