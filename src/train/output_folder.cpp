#include "train/output_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <utility>

#include "core/error.hpp"
#include "train/checkpoints.hpp"
#include "train/run_state.hpp"

namespace lorry::train {

namespace {

bool same_folder(const std::filesystem::path& a, const std::filesystem::path& b) {
  std::error_code failure;
  return !b.empty() && std::filesystem::equivalent(a, b, failure);
}

/// The name of a file of weights in `folder`; empty if there is none.
std::string weights_in(const std::filesystem::path& folder) {
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".safetensors") return entry.path().filename().string();
  }
  return {};
}

/// The descriptor that a lock hangs on.
int make_and_open(const std::filesystem::path& folder) {
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (failure) {
    throw Error("[train] --out {}: cannot make the folder: {}", folder.string(), failure.message());
  }
  return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

}  // namespace

OutputFolder::OutputFolder(std::filesystem::path folder)
    : folder_(std::move(folder)), lock_(make_and_open(folder_)) {
  // Where the file system has no locks nothing happens.
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  throw Error("[train] --out {}: another run is writing there; expected a folder of its own",
              folder_.string());
}

// By the other constructor first, so that the destructor runs where a check below throws.
OutputFolder::OutputFolder(const TrainOptions& options) : OutputFolder(options.out) {
  if (same_folder(folder_, options.model) || same_folder(folder_, options.adapter)) {
    throw Error("[train] --out {}: is what the run starts from; expected a new folder", folder_.string());
  }
  const std::string weights = weights_in(folder_);
  if (!weights.empty()) {
    finished_ = options.resume && std::filesystem::exists(folder_ / kStateFile);
    if (finished_) return;
    throw Error("[train] --out {}: already holds {}; expected a new folder (or remove that one first)",
                folder_.string(), weights);
  }
  const std::vector<Index> checkpoints = find_checkpoints(folder_);
  if (options.resume || checkpoints.empty()) return;
  throw Error("[train] --out {}: holds {} of a run that is not finished; expected --resume, or a new folder",
              folder_.string(), checkpoint_folder(folder_, checkpoints.back()).filename().string());
}

OutputFolder::~OutputFolder() {
  std::error_code ignored;
  std::filesystem::remove(folder_, ignored);  // does nothing to a folder that holds something
}

}  // namespace lorry::train
