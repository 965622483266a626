#include "train/output_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "core/error.hpp"
#include "io/message_text.hpp"
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

[[noreturn]] void refuse(const std::filesystem::path& out, const char* what, const std::string& why) {
  throw Error("[train] --out {}: cannot {}: {}", out.string(), what, why);
}

int open_folder(const std::filesystem::path& folder) {
  return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/// The descriptor that a lock hangs on.
int make_and_open(const std::filesystem::path& folder) {
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (failure) refuse(folder, "make the folder", failure.message());
  return open_folder(folder);
}

/// `how`: LOCK_EX to hold it, LOCK_SH to see whether someone does. Where the file system has no locks nothing
/// happens.
void lock_folder(int descriptor, int how, const std::filesystem::path& folder) {
  if (::flock(descriptor, how | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  throw Error("[train] --out {}: another run is writing there; expected a folder of its own",
              folder.string());
}

/// Of a folder that is there: whether it holds a finished run to be gone on from. Throws Error for what a run
/// must not write over.
bool check_contents(const TrainOptions& options) {
  const std::filesystem::path& folder = options.out;
  if (same_folder(folder, options.model) || same_folder(folder, options.adapter)) {
    throw Error("[train] --out {}: is what the run starts from; expected a new folder", folder.string());
  }
  const std::string weights = weights_in(folder);
  if (!weights.empty()) {
    if (options.resume && std::filesystem::exists(folder / kStateFile)) return true;
    throw Error("[train] --out {}: already holds {}; expected a new folder (or remove that one first)",
                folder.string(), weights);
  }
  if (::access(folder.c_str(), W_OK | X_OK) != 0) refuse(folder, "write there", io::errno_text(errno));
  const std::vector<Index> checkpoints = find_checkpoints(folder);
  if (options.resume || checkpoints.empty()) return false;
  throw Error("[train] --out {}: holds {} of a run that is not finished; expected --resume, or a new folder",
              folder.string(), checkpoint_folder(folder, checkpoints.back()).filename().string());
}

}  // namespace

bool check_output_folder(const TrainOptions& options) {
  std::filesystem::path there = std::filesystem::absolute(options.out);
  std::error_code ignored;
  while (!std::filesystem::exists(there, ignored) && there.has_relative_path()) there = there.parent_path();
  const bool folder = std::filesystem::is_directory(there, ignored);
  if (folder && std::filesystem::equivalent(there, options.out, ignored)) {
    const io::FileDescriptor descriptor(open_folder(options.out));
    lock_folder(descriptor.get(), LOCK_SH, options.out);
    return check_contents(options);
  }
  // What create_directories would say.
  if (!folder) refuse(options.out, "make the folder", io::errno_text(ENOTDIR));
  if (::access(there.c_str(), W_OK | X_OK) != 0) {
    refuse(options.out, "make the folder", io::errno_text(errno));
  }
  return false;
}

OutputFolder::OutputFolder(std::filesystem::path folder)
    : folder_(std::move(folder)), lock_(make_and_open(folder_)) {
  lock_folder(lock_.get(), LOCK_EX, folder_);
}

// By the other constructor first, so that the destructor runs where a check throws.
OutputFolder::OutputFolder(const TrainOptions& options) : OutputFolder(options.out) {
  finished_ = check_contents(options);
}

OutputFolder::~OutputFolder() {
  std::error_code ignored;
  std::filesystem::remove(folder_, ignored);  // does nothing to a folder that holds something
}

}  // namespace lorry::train
