#include "io/disk_rate.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <thread>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/index.hpp"
#include "io/file_descriptor.hpp"
#include "io/message_text.hpp"

namespace lorry::io {

namespace {

constexpr Index kPiece = Index{4} << 20;  // of one request
constexpr std::size_t kReaders = 4;
constexpr std::size_t kDirectAlignment = 4096;  // which direct reads ask of memory, place and count

int open_direct(const std::filesystem::path& file) {
  const int direct = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT);
  return direct >= 0 || errno != EINVAL ? direct : ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
}

}  // namespace

double measure_disk_rate(const std::filesystem::path& file, double seconds) {
  const FileDescriptor opened(open_direct(file));
  if (!opened.open()) throw Error("[load] {}: cannot open: {}", file.string(), errno_text(errno));
  std::atomic<Index> next = 0;
  std::atomic<Index> bytes = 0;
  const Stopwatch watch;
  const auto read = [&] {
    const std::unique_ptr<void, decltype(&std::free)> memory(
        std::aligned_alloc(kDirectAlignment, static_cast<std::size_t>(kPiece)), &std::free);
    while (memory && watch.seconds() < seconds) {
      // The last piece of a file is not whole; it and what cannot be read end the measurement.
      if (::pread(opened.get(), memory.get(), static_cast<std::size_t>(kPiece), kPiece * next++) != kPiece)
        return;
      bytes += kPiece;
    }
  };
  std::array<std::thread, kReaders> readers;
  for (std::thread& reader : readers) reader = std::thread(read);
  for (std::thread& reader : readers) reader.join();
  return static_cast<double>(bytes) / watch.seconds();
}

}  // namespace lorry::io
