// model/loaded_model.hpp: a model folder opened for use: weights, tokenizer, decoder and, if asked for, an
// adapter.
#pragma once
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "model/adapter.hpp"
#include "model/decoder.hpp"
#include "model/model_text.hpp"
#include "model/vocabulary.hpp"
#include "ops/op_times.hpp"

namespace lorry::model {

/// The parts of one opened model, each alive as long as those after it.
struct LoadedModel {
  std::filesystem::path folder;
  std::filesystem::path adapter_folder;  // whose vocabulary and chat template count; empty without one
  std::unique_ptr<ops::Ops> ops;
  nn::Int8Products int8 = nn::Int8Products::kNone;  // see use_int8
  bool integer_decoding = false;                    // see prepare_generation
  ModelConfig config;
  Weights weights;
  std::unique_ptr<Decoder> decoder;
  std::unique_ptr<Adapter> adapter;  // attached; null without one
  TokenizerFiles tokenizer_files;
  std::shared_ptr<const text::Tokenizer> tokenizer;  // that of the files
};

/// What a model has another vocabulary by.
struct VocabularyChange {
  std::filesystem::path adapter = {};          // that was trained so, and its chat template; empty: none
  std::vector<std::string> added_tokens = {};  // special tokens, new to the tokenizer
};

/// Maps a Hugging Face folder or a GGUF file. dtype empty: BF16 where the CPU multiplies it fast, else F32.
/// `adapter` empty: none. threads 0: all. Throws Error, also where the tokenizer has more tokens than the
/// model.
LoadedModel open_model(const std::filesystem::path& folder, const std::filesystem::path& adapter,
                       std::optional<DType> dtype, Index threads);

/// The same without its adapter, but with the vocabulary and the chat template that this goes with.
LoadedModel open_base(const std::filesystem::path& folder, const VocabularyChange& vocabulary,
                      std::optional<DType> dtype, Index threads);

/// From now on blocks and head are read from the disk, with `budget` bytes of them in memory at once; empty:
/// all are mapped, as at first. The decoder is another one afterwards; an adapter is attached to it again.
void stream_weights(LoadedModel& model, std::optional<Index> budget);

/// stream_weights where the model does not fit into `budget` bytes of this process beside what it has now and
/// `others` to come. Throws Error where not even two blocks do, with the least budget that does.
void keep_within(LoadedModel& model, Index budget, Index others);

/// From now on these products of the blocks' linear maps run in integers, on int8 copies of weights that are
/// held in memory (Weights::hold_int8); kNone: none do, and there are no copies. Not where weights are
/// streamed. The decoder may be another one afterwards; an adapter is attached to it again. threads 0: all.
/// Throws Error.
void use_int8(LoadedModel& model, nn::Int8Products products, Index threads);
/// For a command that generates: tokens behind the prompt by the integers of weights, GGUF's too
/// (Decoder::set_integer_decoding), and all else by use_int8; but kNone: everything in float. compute empty:
/// the former alone.
void prepare_generation(LoadedModel& model, std::optional<nn::Int8Products> compute, Index threads);
/// Throws OptionError where products in integers are asked for beside a memory budget.
void check_int8(nn::Int8Products products, const std::optional<Index>& memory_budget);

/// From now on the time that its operators take is added to the result. The decoder is another one
/// afterwards; an adapter is attached to it again.
std::shared_ptr<const ops::OpTimes> time_operators(LoadedModel& model);

/// What of it deals with text. Throws Error if config.json names a token outside the vocabulary.
ModelText text_of(const LoadedModel& model);

/// make_encoder of text_of(model).
data::Encoder make_encoder(const LoadedModel& model, const data::DataOptions& options = {});

/// The token that begins a text, from the tokenizer, else from the config; nothing for a model without one.
/// Throws Error if config.json names one outside the vocabulary.
std::optional<std::int32_t> begin_token(const LoadedModel& model);

/// Every token that ends a text: EOS of config.json, generation_config.json and the tokenizer.
std::vector<std::int32_t> stop_tokens(const LoadedModel& model);

}  // namespace lorry::model
