// model/adapter.hpp: the low-rank updates of one model, and what trains beside them: made, attached, trained,
// taken off.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/rng.hpp"
#include "io/safetensors.hpp"
#include "model/decoder.hpp"
#include "model/fused_parts.hpp"
#include "model/peft_config.hpp"
#include "model/token_indices.hpp"
#include "model/trained_copies.hpp"
#include "optim/parameter.hpp"

namespace lorry::model {

/// Owns A and B of every adapted map, or part of a fused map, in model order, and the copies of the model's
/// own tensors and the rows of its tables that train with them. While attached, the decoder borrows them.
class Adapter {
 public:
  struct Entry {
    std::string module;             // "model.layers.0.self_attn.q_proj", or the name of a part
    std::optional<FusedPart> part;  // empty: of a whole map
    nn::LowRankUpdate update;
    /// What W goes without while the update trains, minus what it began with: -A_0 B_0 beside A B. Empty
    /// where it began with zero or at random.
    std::optional<nn::LowRankUpdate> given_up = {};

    /// Lets the update begin with these, and W go without them, so that nothing changes yet.
    void begin_with(Matrix a, Matrix b_transposed);
    /// The update to a W that lacks nothing: A with A_0 below it, B beside -B_0.
    [[nodiscard]] nn::LowRankUpdate whole() const;
    /// A copy of A and B alone.
    [[nodiscard]] nn::LowRankUpdate trained() const;
    /// Takes what whole() gave into update and given_up, bit for bit.
    void set_whole(const nn::LowRankUpdate& from);
    /// The linear map that the update goes with, and the first of its outputs that it adds to.
    [[nodiscard]] const std::string& map() const noexcept { return part ? part->map : module; }
    [[nodiscard]] Index first_output() const noexcept { return part ? part->first : 0; }
  };

  /// An embedding's update.
  struct EmbeddingEntry {
    std::string module;  // "model.embed_tokens"
    nn::EmbeddingUpdate update;
  };

  /// Rows of a table that stand in place of its own.
  struct TokenEntry {
    std::string module;         // "model.embed_tokens"
    bool head_follows = false;  // so do those of the tied head
    nn::TokenRows rows;
  };

  /// A fresh adapter: A and B by config.init_lora_weights from `seed` (of embeddings A zero, B ~ N(0, 1));
  /// but where they begin as a part of W analysis::start_from_weights has to follow. Throws Error as
  /// match_maps_and_parts does, and for a key of a pattern that matches no module. Ranks above a map's
  /// smaller side are allowed, as in PEFT; see oversized().
  static Adapter create(const PeftConfig& config, Decoder& decoder, std::uint64_t seed);
  /// What create would refuse, without making anything.
  static void check(const PeftConfig& config, Decoder& decoder);
  /// Numbers that such an adapter trains, without making it. Throws Error as create does.
  static Index count_parameters(const PeftConfig& config, Decoder& decoder);
  /// Holds nothing yet; see add().
  explicit Adapter(PeftConfig config) : config_(std::move(config)) {}

  /// Adds an update of the linear map `module`: a [R,I], b_transposed [R,O], of any rank R; scale = alpha /
  /// R. It need not agree with config(): save_adapter writes what makes PEFT compute the same. bias [1,O]:
  /// with lora_bias, else empty.
  void add(const std::string& module, Matrix a, Matrix b_transposed, float scale, Matrix bias = {});
  /// The same for a part of a fused map, whose outputs O are. Parts of one map stand side by side.
  void add(const FusedPart& part, Matrix a, Matrix b_transposed, float scale, Matrix bias = {});

  [[nodiscard]] const PeftConfig& config() const noexcept { return config_; }
  [[nodiscard]] std::vector<std::unique_ptr<Entry>>& entries() noexcept { return entries_; }
  [[nodiscard]] const std::vector<std::unique_ptr<Entry>>& entries() const noexcept { return entries_; }

  /// Of an embedding: a_transposed [V,R], b_transposed [R,D].
  void add_embedding(const std::string& module, Matrix a_transposed, Matrix b_transposed, float scale);
  [[nodiscard]] std::vector<std::unique_ptr<EmbeddingEntry>>& embeddings() noexcept { return embeddings_; }
  [[nodiscard]] const std::vector<std::unique_ptr<EmbeddingEntry>>& embeddings() const noexcept {
    return embeddings_;
  }
  /// A table of the model with another number of tokens than its folder's, as the adapter's file has it:
  /// written again with the adapter, unless the adapter trains it.
  struct Table {
    std::string name;  // in that file
    io::SafetensorsFile file;
  };
  [[nodiscard]] std::vector<Table>& tables() noexcept { return tables_; }
  [[nodiscard]] const std::vector<Table>& tables() const noexcept { return tables_; }

  /// Rows of `target`'s table; value [tokens,D].
  void add_tokens(const TokenTarget& target, Matrix value);
  [[nodiscard]] std::vector<std::unique_ptr<TokenEntry>>& tokens() noexcept { return tokens_; }
  [[nodiscard]] const std::vector<std::unique_ptr<TokenEntry>>& tokens() const noexcept { return tokens_; }
  [[nodiscard]] TrainedCopies& copies() noexcept { return copies_; }
  [[nodiscard]] const TrainedCopies& copies() const noexcept { return copies_; }
  /// The embeddings and linear maps that have updates, of all their outputs or of parts.
  [[nodiscard]] std::set<std::string> adapted_maps() const;

  /// Puts the updates beside the decoder's maps, and the copies in place of its tensors; this must outlive
  /// the attachment. Copies train if parameters() was called before. `read`: as of renew_norms.
  void attach(Decoder& decoder, const std::function<void(const nn::Linear&)>& read = {});
  /// With DoRA, for an attached adapter: the norms that go with A and B as they are now
  /// (nn::Linear::renew_norm), after every change of them. `read`, if given, is told of each map whose
  /// weights have been read.
  void renew_norms(Decoder& decoder, const std::function<void(const nn::Linear&)>& read = {}) const;
  /// Takes every update and copy off the decoder.
  static void detach(Decoder& decoder);

  /// A tensor under its name in PEFT's file.
  struct Tensor {
    std::string name;
    Matrix* value;
    Matrix* gradient;
    bool decay = true;
  };
  /// Everything that trains, in one order: the one list that training, counting and checkpoints go through.
  [[nodiscard]] std::vector<Tensor> tensors();
  /// Makes the gradients, and lists what trains for an optimiser.
  [[nodiscard]] std::vector<optim::Parameter> parameters();
  void zero_gradients();
  [[nodiscard]] Index count_parameters() const;
  /// Whether some updates are of parts of fused maps.
  [[nodiscard]] bool has_parts() const noexcept;
  /// Of a head and an embedding that `model` ties: those that the adapter changes, each on its own.
  [[nodiscard]] std::vector<std::string> untied(const ModelConfig& model) const;
  /// Modules whose smaller side is below the rank: more directions than the map has.
  [[nodiscard]] std::vector<std::string> oversized() const;

 private:
  void begin_magnitudes(Decoder& decoder);

  PeftConfig config_;
  std::vector<std::unique_ptr<Entry>> entries_;  // stable addresses: maps point to the updates
  std::vector<std::unique_ptr<EmbeddingEntry>> embeddings_;
  std::vector<std::unique_ptr<TokenEntry>> tokens_;
  TrainedCopies copies_;
  std::vector<Table> tables_;
};

/// Names of all linear maps of the decoder.
std::vector<std::string> linear_names(Decoder& decoder);

}  // namespace lorry::model
