#include "model/model_text.hpp"

#include <array>

#include "core/error.hpp"
#include "core/option_error.hpp"
#include "io/gguf.hpp"
#include "io/message_text.hpp"
#include "io/text_file.hpp"
#include "model/vocabulary.hpp"

namespace lorry::model {

namespace {

namespace fs = std::filesystem;

/// What the tokenizer says, else the first id of the config's field.
std::optional<std::int32_t> choose_token(const fs::path& folder, Index vocab_size,
                                         std::optional<std::int32_t> from_tokenizer,
                                         const std::vector<std::int32_t>& from_config,
                                         std::string_view field) {
  if (from_tokenizer) return from_tokenizer;
  if (from_config.empty()) return std::nullopt;
  if (from_config.front() >= vocab_size) {
    throw Error("[load] {}: field \"{}\": found {}; expected below vocab_size ({})",
                (folder / "config.json").string(), field, from_config.front(), vocab_size);
  }
  return from_config.front();
}

const text::ChatTemplate& template_named(const std::string& name) {
  if (const text::ChatTemplate* found = text::find_chat_template(name)) return *found;
  throw OptionError("--chat-template: found {}; expected one of {}", io::in_quotes(name),
                    text::chat_template_names());
}

/// The Jinja text that counts, and where it stands.
struct Carried {
  std::optional<std::string> jinja;
  fs::path place;
};

Carried carried_template(const ModelText& model) {
  std::error_code ignored;
  const fs::path file = model.adapter / kChatTemplateFile;
  if (!model.adapter.empty() && fs::exists(file, ignored)) return {io::read_text_file(file), file};
  return {model.tokenizer->chat_template(), model.folder};
}

}  // namespace

ModelText open_text(const fs::path& folder, const fs::path& adapter) {
  std::shared_ptr<const text::Tokenizer> tokenizer = open_tokenizer(folder, adapter).tokenizer;
  if (fs::exists(folder / "config.json") || io::is_gguf_path(folder)) {
    return make_text(folder, adapter, std::move(tokenizer), load_model_config(folder));
  }
  const std::optional<std::int32_t> bos = tokenizer->bos_id();
  const std::optional<std::int32_t> eos = tokenizer->eos_id();
  return {.folder = folder, .adapter = adapter, .tokenizer = std::move(tokenizer), .bos = bos, .eos = eos};
}

ModelText make_text(fs::path folder, fs::path adapter, std::shared_ptr<const text::Tokenizer> tokenizer,
                    const ModelConfig& config) {
  const auto bos =
      choose_token(folder, config.vocab_size, tokenizer->bos_id(), config.bos_token_ids, "bos_token_id");
  const auto eos =
      choose_token(folder, config.vocab_size, tokenizer->eos_id(), config.eos_token_ids, "eos_token_id");
  return {.folder = std::move(folder),
          .adapter = std::move(adapter),
          .tokenizer = std::move(tokenizer),
          .bos = bos,
          .eos = eos,
          .positions = config.max_position_embeddings};
}

const text::ChatTemplate& choose_chat_template(const ModelText& model, const std::string& name,
                                               const std::string& need) {
  if (!name.empty()) return template_named(name);
  const Carried carried = carried_template(model);
  if (!carried.jinja) {
    throw Error("{} need a chat template, and {} has none; expected --chat-template NAME, one of {}", need,
                model.folder.string(), text::chat_template_names());
  }
  if (const text::ChatTemplate* known = text::recognise_chat_template(*carried.jinja)) return *known;
  const std::string like = text::resembling_chat_templates(*carried.jinja);
  throw Error(
      "{} need a chat template, and that of {} is not known{}; expected --chat-template NAME, one of {}",
      need, carried.place.string(), like.empty() ? "" : fmt::format(" (it has the marks of {})", like),
      text::chat_template_names());
}

data::Encoder make_encoder(const ModelText& model, const data::DataOptions& options) {
  if (!options.chat_template.empty()) template_named(options.chat_template);
  // One for each kind of records, made when it is first asked for.
  using Cache = std::array<std::shared_ptr<const text::ChatEncoder>, 5>;
  const auto chat = [model, name = options.chat_template,
                     cache = std::make_shared<Cache>()](data::RecordKind kind) {
    std::shared_ptr<const text::ChatEncoder>& known = (*cache)[static_cast<std::size_t>(kind)];
    if (!known) {
      const bool own = kind == data::RecordKind::kAlpaca && name.empty() && !carried_template(model).jinja;
      const std::string need = fmt::format("[data] records of {}", data::name_of(kind));
      known = std::make_shared<const text::ChatEncoder>(
          model.tokenizer, choose_chat_template(model, own ? "alpaca" : name, need), model.bos, model.eos);
    }
    return known;
  };
  return {.encode = [tokenizer = model.tokenizer](
                        std::string_view text,
                        bool special_tokens) { return tokenizer->encode(text, special_tokens); },
          .eos_id = model.eos,
          .chat = chat,
          .chat_completions = !options.chat_template.empty(),
          .train_on_prompt = options.train_on_prompt};
}

}  // namespace lorry::model
