#include "train/log_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "core/error.hpp"
#include "io/message_text.hpp"

namespace lorry::train {

LogFile::LogFile(std::filesystem::path path, Index keep)
    : path_(std::move(path)),
      file_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666)),
      size_(keep) {
  struct stat status = {};
  if (!file_.open() || ::fstat(file_.get(), &status) != 0) fail("cannot write");
  if (status.st_size < keep) {
    throw Error("[train] --resume: {}: found {} bytes; expected the {} that the checkpoint goes with",
                path_.string(), status.st_size, keep);
  }
  if (::ftruncate(file_.get(), keep) != 0) fail("cannot write");
}

void LogFile::fail(std::string_view what) const {
  throw Error("[train] {}: {}: {}", path_.string(), what, io::errno_text(errno));
}

void LogFile::write(const StepReport& report) {
  const double rate = report.seconds > 0 ? static_cast<double>(report.tokens) / report.seconds : 0;
  write(io::OrderedJson{{"step", report.step},
                        {"loss", report.loss},
                        {"lr", report.lr},
                        {"grad_norm", report.grad_norm},
                        {"tokens", report.tokens},
                        {"targets", report.targets},
                        {"seconds", report.seconds},
                        {"tokens_per_second", rate}});
}

void LogFile::write(Index step, const Evaluation& evaluation) {
  write(io::OrderedJson{{"step", step},
                        {"eval_loss", evaluation.loss},
                        {"eval_perplexity", evaluation.perplexity},
                        {"eval_tokens", evaluation.tokens},
                        {"seconds", evaluation.seconds}});
}

void LogFile::write(const io::OrderedJson& line) {
  const std::string text = line.dump() + '\n';
  std::size_t written = 0;
  while (written < text.size()) {
    const ssize_t count = ::pwrite(file_.get(), text.data() + written, text.size() - written,
                                   size_ + static_cast<Index>(written));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      const int reason = errno;
      [[maybe_unused]] const int ignored = ::ftruncate(file_.get(), size_);
      errno = reason;
      fail("cannot write");
    }
    written += static_cast<std::size_t>(count);
  }
  size_ += static_cast<Index>(written);
}

void LogFile::sync() {
  // EINVAL: a file system that has nothing to flush.
  if (::fsync(file_.get()) != 0 && errno != EINVAL) fail("cannot flush to the disk");
}

}  // namespace lorry::train
