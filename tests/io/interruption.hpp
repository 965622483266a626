// How outputs are interrupted in tests: a process killed in the middle, a disk that takes no more, a folder
// that is not writable.
#pragma once
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <utility>

namespace lorry::io {

/// Runs `work` in a child process, which then kills itself with SIGKILL: no destructor runs.
template <class Work>
void run_and_kill(Work work) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    try {
      work();
    } catch (...) {
      ::_exit(1);
    }
    ::raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "the work itself failed";
}

/// While it lives no file grows beyond `bytes`: writes fail as on a full disk, with EFBIG for ENOSPC, and no
/// privileges are needed.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) : old_handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_limit_);
    rlimit limit = old_limit_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &old_limit_);
    std::signal(SIGXFSZ, old_handler_);
  }

 private:
  void (*old_handler_)(int);
  rlimit old_limit_{};
};

/// While it lives `folder` takes no new entries, for root neither.
class ReadOnlyFolder {
 public:
  explicit ReadOnlyFolder(std::filesystem::path folder)
      : folder_(std::move(folder)), root_(::geteuid() == 0) {
    std::filesystem::permissions(folder_, std::filesystem::perms(0555));
    constexpr uid_t kNobody = 65534;
    if (root_) changed_ = ::seteuid(kNobody) == 0;
  }
  ReadOnlyFolder(const ReadOnlyFolder&) = delete;
  ReadOnlyFolder& operator=(const ReadOnlyFolder&) = delete;
  ~ReadOnlyFolder() {
    if (changed_ && ::seteuid(0) != 0) ADD_FAILURE() << "cannot become root again";
    std::filesystem::permissions(folder_, std::filesystem::perms(0755));
  }

 private:
  std::filesystem::path folder_;
  bool root_;
  bool changed_ = false;
};

}  // namespace lorry::io
