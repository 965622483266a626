#include "train/run_state.hpp"

#include <cmath>

#include "io/json_fields.hpp"

namespace lorry::train {

namespace {

constexpr Index kVersion = 1;  // of the fields below

io::OrderedJson evaluation_json(const std::optional<Evaluation>& evaluation) {
  if (!evaluation) return nullptr;
  return {{"loss", evaluation->loss}, {"tokens", evaluation->tokens}, {"seconds", evaluation->seconds}};
}

io::OrderedJson state_json(const RunState& state) {
  io::OrderedJson best = nullptr;
  if (state.best) best = {{"step", state.best->step}, {"eval_loss", state.best->loss}};
  return {{"step", state.step},
          {"micro_steps", state.micro_steps},
          {"epoch", state.data.epoch},
          {"batch_in_epoch", state.data.index},
          {"log_bytes", state.log_bytes},
          {"ended", state.ended},
          {"best", std::move(best)},
          {"evaluations_since_best", state.evaluations_since_best},
          {"loss", state.loss},
          {"seconds", state.seconds},
          {"tokens", state.tokens},
          {"trainable_parameters", state.trainable_parameters},
          {"peak_rss_bytes", state.peak_rss_bytes},
          {"first_evaluation", evaluation_json(state.first_evaluation)},
          {"last_evaluation", evaluation_json(state.last_evaluation)}};
}

std::optional<Evaluation> read_evaluation(const io::Json& state, std::string_view field,
                                          std::string_view file) {
  const io::Json* json = io::find_field(state, field, file);
  if (json == nullptr) return std::nullopt;
  const double loss = io::get_number(*json, "loss", file);
  return Evaluation{.loss = loss,
                    .perplexity = std::exp(loss),
                    .tokens = io::get_index(*json, "tokens", file),
                    .seconds = io::get_number(*json, "seconds", file)};
}

RunState read_state(const io::Json& json, std::string_view file) {
  const auto count = [&](std::string_view field) { return io::get_index(json, field, file, 0); };
  RunState state{.step = count("step"),
                 .micro_steps = count("micro_steps"),
                 .data = {.epoch = count("epoch"), .index = count("batch_in_epoch")},
                 .log_bytes = count("log_bytes"),
                 .ended = io::get_bool(json, "ended", file),
                 .best = std::nullopt,
                 .evaluations_since_best = count("evaluations_since_best"),
                 .loss = io::get_number(json, "loss", file),
                 .seconds = io::get_number(json, "seconds", file),
                 .tokens = count("tokens"),
                 .trainable_parameters = count("trainable_parameters"),
                 .peak_rss_bytes = count("peak_rss_bytes"),
                 .first_evaluation = read_evaluation(json, "first_evaluation", file),
                 .last_evaluation = read_evaluation(json, "last_evaluation", file)};
  if (const io::Json* best = io::find_field(json, "best", file)) {
    state.best = {.step = io::get_index(*best, "step", file),
                  .loss = io::get_number(*best, "eval_loss", file)};
  }
  return state;
}

}  // namespace

bool RunState::add_evaluation(const Evaluation& evaluation) {
  last_evaluation = evaluation;
  if (best && evaluation.loss >= best->loss) {
    ++evaluations_since_best;
    return false;
  }
  best = {.step = step, .loss = evaluation.loss};
  evaluations_since_best = 0;
  return true;
}

void write_run_record(const std::filesystem::path& folder, const RunRecord& record) {
  io::write_json_file(folder / kStateFile, io::OrderedJson{{"version", kVersion},
                                                           {"state", state_json(record.state)},
                                                           {"settings", record.settings},
                                                           {"inputs", record.inputs},
                                                           {"cpu", record.cpu}});
}

RunRecord read_run_record(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / kStateFile;
  const std::string file = path.string();
  const io::Json json = io::read_json_file(path);
  io::get_index(json, "version", file, kVersion, kVersion);
  return {.state = read_state(io::get_object(json, "state", file), file),
          .settings = io::get_object(json, "settings", file),
          .inputs = io::get_object(json, "inputs", file),
          .cpu = io::get_string(json, "cpu", file)};
}

}  // namespace lorry::train
