#include "train/resume.hpp"

#include "core/error.hpp"
#include "io/atomic_folder.hpp"
#include "train/checkpoints.hpp"
#include "train/run.hpp"
#include "train/settings.hpp"
#include "train/state_tensors.hpp"

namespace lorry::train {

namespace {

constexpr const char* kOptimizerFile = "optimizer.safetensors";

}  // namespace

void save_checkpoint(const std::filesystem::path& out, const RunRecord& record, const RunParts& parts) {
  io::AtomicFolder folder(checkpoint_folder(out, record.state.step), io::ExistingFolder::kReplace);
  parts.trainee.save_checkpoint(folder.path());
  save_state_tensors(folder.path() / kOptimizerFile, parts.trainer.optimizer().state());
  if (parts.observer.save_state) parts.observer.save_state(folder.path());
  write_run_record(folder.path(), record);
  folder.commit();
}

void load_checkpoint(const std::filesystem::path& folder, const RunState& state, const RunParts& parts) {
  parts.trainee.load_checkpoint(folder);
  load_state_tensors(folder / kOptimizerFile, parts.trainer.optimizer().state());
  parts.trainer.set_position(state.step, state.micro_steps);
  parts.batcher.seek(state.data);
  if (parts.observer.load_state) parts.observer.load_state(folder);
}

void check_same_run(const std::filesystem::path& folder, const RunRecord& then, const RunRecord& now) {
  std::string what = difference(then.settings, now.settings);
  if (what.empty()) what = difference(then.inputs, now.inputs);
  if (what.empty()) return;
  throw Error(
      "[train] --resume: {}: was made with other settings ({}); expected the same ones, or another --out "
      "(--adapter, or --model with --method full, goes on from a checkpoint as a new run)",
      folder.string(), what);
}

}  // namespace lorry::train
