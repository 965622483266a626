// text/tokenizer.hpp: text to token ids and back, by the rules of a Hugging Face tokenizer.json.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/index.hpp"
#include "text/tokenizer_config.hpp"

namespace lorry::text {

class Decoder;

/// A text as ids with places in it, see Tokenizer::encode_cut.
struct CutIds {
  std::vector<std::int32_t> ids;
  std::vector<Index> at;  // ids before each cut
};

/// Gives the ids and the texts that Hugging Face `tokenizers` gives for the same file. The fields
/// "truncation" and "padding" are ignored: cutting and filling are the data loader's. What the file asks for
/// and we do not have is an Error when it is loaded, never a difference. Threads: const calls may run at
/// once.
class Tokenizer {
 public:
  /// Reads a tokenizer.json, or the folder of one; a tokenizer_config.json beside it names BOS, EOS and the
  /// chat template. tokenizer.model (sentencepiece) is not read. Throws Error.
  static Tokenizer load(const std::filesystem::path& file_or_folder);

  /// The same with more special tokens (text/new_tokens.hpp).
  struct Extended;
  static Extended load_with(const std::filesystem::path& file_or_folder,
                            const std::vector<std::string>& tokens);

  /// From what a tokenizer.json and the files beside it would say; errors name `file`, where it stands. With
  /// `tokens` as load_with.
  static Tokenizer from_json(const nlohmann::json& document, const std::filesystem::path& file,
                             TokenizerConfig settings);
  static Extended from_json_with(nlohmann::json document, const std::filesystem::path& file,
                                 TokenizerConfig settings, const std::vector<std::string>& tokens);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  /// `text` is UTF-8; ill-formed parts count as U+FFFD, as Python would read them. The template's tokens
  /// (usually BOS) are added if asked; special tokens written in the text become their ids either way.
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text, bool add_special_tokens = true) const;

  /// encode without the template's tokens, of valid UTF-8, so that no token lies across a cut (ascending
  /// bytes of `text`): ids before a cut do not depend on what stands behind it. They are those of the whole
  /// text wherever its tokens end at the cuts by themselves, as they do behind special tokens and before
  /// words.
  [[nodiscard]] CutIds encode_cut(std::string_view text, std::span<const Index> cuts) const;

  /// Valid UTF-8. Ids that no token has are skipped.
  [[nodiscard]] std::string decode(std::span<const std::int32_t> ids, bool skip_special_tokens = true) const;

  /// Largest id + 1.
  [[nodiscard]] Index vocab_size() const;
  /// The token as the vocabulary spells it ("Ġthe"); nothing if no token has this id.
  [[nodiscard]] std::optional<std::string> token(std::int32_t id) const;
  [[nodiscard]] std::optional<std::int32_t> id(std::string_view token) const;
  /// False for ids that no token has.
  [[nodiscard]] bool is_special(std::int32_t id) const;

  /// From tokenizer_config.json; nothing where it does not say.
  [[nodiscard]] std::optional<std::int32_t> bos_id() const;
  [[nodiscard]] std::optional<std::int32_t> eos_id() const;
  [[nodiscard]] std::optional<bool> add_bos_token() const;  // for information: encode goes by the template
  /// The raw Jinja text, from chat_template.jinja or tokenizer_config.json.
  [[nodiscard]] const std::optional<std::string>& chat_template() const;

 private:
  friend class StreamDecoder;
  struct Parts;
  class CutRun;
  explicit Tokenizer(std::unique_ptr<const Parts> parts);

  [[nodiscard]] const Decoder& decoder() const;
  /// What the decoder gets for an id; null if it is to be skipped. Lives as long as the tokenizer.
  [[nodiscard]] const std::string* decoder_token(std::int32_t id, bool skip_special_tokens) const;

  std::unique_ptr<const Parts> parts_;
};

struct Tokenizer::Extended {
  Tokenizer tokenizer;
  std::vector<std::int32_t> ids;  // of the new tokens
  std::string json;               // the tokenizer.json that has them
};

}  // namespace lorry::text
