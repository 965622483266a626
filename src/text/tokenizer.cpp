#include "text/tokenizer.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "text/added_tokens.hpp"
#include "text/bpe.hpp"
#include "text/decoder.hpp"
#include "text/new_tokens.hpp"
#include "text/normalizer.hpp"
#include "text/post_processor.hpp"
#include "text/pre_tokenizer.hpp"
#include "text/tokenizer_config.hpp"
#include "text/utf8.hpp"

namespace lorry::text {

namespace {

const nlohmann::json kNull;

// The peer reads an absent step as null.
JsonField optional_field(const JsonField& root, const char* key) {
  return root.has(key) ? root.at(key) : JsonField(kNull, root.file(), key);
}

std::string_view view(std::string_view text, Span span) {
  return text.substr(static_cast<std::size_t>(span.begin), static_cast<std::size_t>(span.end - span.begin));
}

std::filesystem::path find_file(const std::filesystem::path& file_or_folder) {
  if (!std::filesystem::is_directory(file_or_folder)) return file_or_folder;
  std::filesystem::path file = file_or_folder / "tokenizer.json";
  if (!std::filesystem::exists(file)) {
    throw Error(
        "[load tokenizer] {}: no such file; expected a Hugging Face tokenizer.json (tokenizer.model is not "
        "read)",
        file.string());
  }
  return file;
}

}  // namespace

// Decoder, post-processor and the like as the file has them, in the order they work.
struct Tokenizer::Parts {
  // What decoding needs to know of one id.
  struct Entry {
    std::optional<std::string> token;  // as the vocabulary spells it
    std::string decoder_token;
    bool is_special = false;  // marked so in the file
    bool is_skipped = false;  // left out when special tokens are; the peer compares texts, not ids
  };

  Parts(const JsonField& root, TokenizerConfig settings)
      : normalizer(optional_field(root, "normalizer")),
        pre_tokenizer(optional_field(root, "pre_tokenizer")),
        model(root.at("model")),
        added(optional_field(root, "added_tokens"), model.vocabulary(), normalizer),
        post_processor(optional_field(root, "post_processor"), count_ids()),
        decoder(optional_field(root, "decoder")),
        config(std::move(settings)) {
    fill_entries();
  }

  static std::unique_ptr<const Parts> of_document(const nlohmann::json& document,
                                                  const std::filesystem::path& path,
                                                  TokenizerConfig settings) {
    const std::string file = path.string();
    const JsonField root(document, file);
    if (root.string_or("version", "1.0") != "1.0") root.at("version").fail("\"1.0\"");
    return std::make_unique<const Parts>(root, std::move(settings));
  }

  /// One more than the largest id.
  [[nodiscard]] Index count_ids() const {
    Index count = model.vocabulary().size();
    for (const AddedToken& token : added.tokens()) count = std::max<Index>(count, token.id + 1);
    return count;
  }

  void fill_entries() {
    entries.resize(static_cast<std::size_t>(model.vocabulary().size()));
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (const std::string* token = model.vocabulary().token(static_cast<std::int32_t>(i))) {
        entries[i].token = entries[i].decoder_token = *token;
      }
    }
    StringMap<bool> special;
    for (Index i = 0; i < std::ssize(added.tokens()); ++i) {
      const AddedToken& token = added.tokens()[static_cast<std::size_t>(i)];
      const auto slot = static_cast<std::size_t>(token.id);
      if (slot >= entries.size()) entries.resize(slot + 1);
      entries[slot] = {token.content, added.decoded_form(i), token.special, false};
      if (token.special) special.emplace(token.content, true);
      added_ids.insert_or_assign(token.content, token.id);
    }
    for (Entry& entry : entries) entry.is_skipped = special.contains(entry.decoder_token);
  }

  [[nodiscard]] const Entry* entry(std::int32_t id) const {
    if (id < 0 || id >= std::ssize(entries)) return nullptr;
    const Entry& found = entries[static_cast<std::size_t>(id)];
    return found.token ? &found : nullptr;
  }

  [[nodiscard]] std::optional<std::int32_t> id(std::string_view token) const {
    const auto found = added_ids.find(token);
    return found != added_ids.end() ? found->second : model.vocabulary().id(token);
  }

  void encode_normalized(std::string_view text, bool at_start, std::vector<std::int32_t>& ids) const {
    for (const Segment& segment : added.split_normalized(text)) {
      if (segment.id) {
        ids.push_back(*segment.id);
        continue;
      }
      Pieces pieces{std::string(view(text, segment.span)), {}, at_start && segment.span.begin == 0};
      pieces.spans.push_back({0, std::ssize(pieces.text)});
      pre_tokenizer.apply(pieces);
      for (const Span& span : pieces.spans) model.encode(pieces.view(span), ids);
    }
  }

  /// Text between tokens that are found in it raw.
  void encode_part(std::string_view text, bool at_start, std::vector<std::int32_t>& ids) const {
    const Normalized part = normalizer.apply(std::string(text));
    encode_normalized(part.text, at_start && part.keeps_start, ids);
  }

  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  Bpe model;
  AddedTokens added;
  PostProcessor post_processor;
  Decoder decoder;
  TokenizerConfig config;
  std::vector<Entry> entries;  // by id
  StringMap<std::int32_t> added_ids;
};

Tokenizer::Tokenizer(std::unique_ptr<const Parts> parts) : parts_(std::move(parts)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::load(const std::filesystem::path& file_or_folder) {
  const std::filesystem::path path = find_file(file_or_folder);
  return from_json(read_json_file(path), path, read_tokenizer_config(path.parent_path()));
}

Tokenizer Tokenizer::from_json(const nlohmann::json& document, const std::filesystem::path& file,
                               TokenizerConfig settings) {
  return Tokenizer(Parts::of_document(document, file, std::move(settings)));
}

Tokenizer::Extended Tokenizer::load_with(const std::filesystem::path& file_or_folder,
                                         const std::vector<std::string>& tokens) {
  const std::filesystem::path path = find_file(file_or_folder);
  return from_json_with(read_json_file(path), path, read_tokenizer_config(path.parent_path()), tokens);
}

Tokenizer::Extended Tokenizer::from_json_with(nlohmann::json document, const std::filesystem::path& file,
                                              TokenizerConfig settings,
                                              const std::vector<std::string>& tokens) {
  std::vector<std::int32_t> ids = append_tokens(tokens, file.string(), document);
  return {.tokenizer = from_json(document, file, std::move(settings)),
          .ids = std::move(ids),
          .json = document.dump(2)};
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text, bool add_special_tokens) const {
  const std::string valid = replace_invalid_utf8(text);
  std::vector<std::int32_t> ids;
  ids.reserve(valid.size() / 3);
  for (const Segment& segment : parts_->added.split_raw(valid)) {
    if (segment.id) {
      ids.push_back(*segment.id);
    } else {
      parts_->encode_part(view(valid, segment.span), segment.span.begin == 0, ids);
    }
  }
  return parts_->post_processor.apply(std::move(ids), add_special_tokens);
}

/// The tokens of a text between special tokens while it grows, cut by cut.
class Tokenizer::CutRun {
 public:
  /// Appends to `ids`.
  CutRun(const Parts& parts, bool at_start, std::vector<std::int32_t>& ids)
      : parts_(parts), at_start_(at_start), ids_(ids) {}

  /// `text` is what there was and more. Where tokens would change that stand already, a new run begins behind
  /// them.
  void grow(std::string_view text) {
    const Normalized whole = parts_.normalizer.apply(std::string(text));
    at_start_ = at_start_ && whole.keeps_start;
    std::vector<std::int32_t> longer = encode(whole.text.substr(std::min(begin_, whole.text.size())));
    if (longer.size() < run_.size() || !std::equal(run_.begin(), run_.end(), longer.begin())) {
      finish();
      begin_ =
          std::min(end_, whole.text.size());  // what the normalizer puts before a text does not come again
      longer = encode(whole.text.substr(begin_));
    }
    run_ = std::move(longer);
    end_ = whole.text.size();
  }
  /// Of all ids with those of this text so far.
  [[nodiscard]] Index size() const { return std::ssize(ids_) + std::ssize(run_); }
  void finish() {
    ids_.insert(ids_.end(), run_.begin(), run_.end());
    run_.clear();
  }

 private:
  [[nodiscard]] std::vector<std::int32_t> encode(const std::string& normalized) const {
    std::vector<std::int32_t> ids;
    if (!normalized.empty()) parts_.encode_normalized(normalized, at_start_ && begin_ == 0, ids);
    return ids;
  }

  const Parts& parts_;
  bool at_start_;
  std::vector<std::int32_t>& ids_;
  std::vector<std::int32_t> run_;
  std::size_t begin_ = 0;  // of the run, in the normalised text
  std::size_t end_ = 0;    // of the normalised text so far
};

CutIds Tokenizer::encode_cut(std::string_view text, std::span<const Index> cuts) const {
  CutIds result;
  const auto next_cut = [&] {
    return result.at.size() < cuts.size() ? cuts[result.at.size()] : std::ssize(text) + 1;
  };
  for (const Segment& segment : parts_->added.split_raw(text)) {
    if (segment.id) {
      while (next_cut() <= segment.span.begin) result.at.push_back(std::ssize(result.ids));
      result.ids.push_back(*segment.id);
      // White space that a token takes may hold a cut.
      while (next_cut() <= segment.span.end) result.at.push_back(std::ssize(result.ids));
      continue;
    }
    const auto part_to = [&](Index end) { return view(text, {segment.span.begin, end}); };
    CutRun run(*parts_, segment.span.begin == 0, result.ids);
    for (Index end = segment.span.begin; end < segment.span.end;) {
      end = std::clamp(next_cut(), end, segment.span.end);
      run.grow(part_to(end));
      while (next_cut() <= end) result.at.push_back(run.size());
    }
    run.finish();
  }
  while (result.at.size() < cuts.size()) result.at.push_back(std::ssize(result.ids));
  return result;
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const {
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (const std::int32_t id : ids) {
    if (const std::string* token = decoder_token(id, skip_special_tokens)) tokens.push_back(*token);
  }
  return parts_->decoder.decode(std::move(tokens));
}

const Decoder& Tokenizer::decoder() const {
  return parts_->decoder;
}

const std::string* Tokenizer::decoder_token(std::int32_t id, bool skip_special_tokens) const {
  const auto* entry = parts_->entry(id);
  if (entry == nullptr || (skip_special_tokens && entry->is_skipped)) return nullptr;
  return &entry->decoder_token;
}

Index Tokenizer::vocab_size() const {
  return std::ssize(parts_->entries);
}

std::optional<std::string> Tokenizer::token(std::int32_t id) const {
  const auto* entry = parts_->entry(id);
  return entry != nullptr ? entry->token : std::nullopt;
}

std::optional<std::int32_t> Tokenizer::id(std::string_view token) const {
  return parts_->id(token);
}

bool Tokenizer::is_special(std::int32_t id) const {
  const auto* entry = parts_->entry(id);
  return entry != nullptr && entry->is_special;
}

std::optional<std::int32_t> Tokenizer::bos_id() const {
  return parts_->config.bos_token ? parts_->id(*parts_->config.bos_token) : std::nullopt;
}

std::optional<std::int32_t> Tokenizer::eos_id() const {
  return parts_->config.eos_token ? parts_->id(*parts_->config.eos_token) : std::nullopt;
}

std::optional<bool> Tokenizer::add_bos_token() const {
  return parts_->config.add_bos_token;
}

const std::optional<std::string>& Tokenizer::chat_template() const {
  return parts_->config.chat_template;
}

}  // namespace lorry::text
