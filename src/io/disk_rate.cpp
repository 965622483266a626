#include "io/disk_rate.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

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

/// Past what the system keeps in memory, where the file system has that and can read so.
FileDescriptor open_file(const std::filesystem::path& file, std::byte* room) {
  FileDescriptor direct(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT));
  if (direct.open() && ::pread(direct.get(), room, kDirectAlignment, 0) >= 0) return direct;
  FileDescriptor plain(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!plain.open()) throw Error("[load] {}: cannot open: {}", file.string(), errno_text(errno));
  return plain;
}

using Room = std::unique_ptr<std::byte, decltype(&std::free)>;

Room make_room() {
  return {static_cast<std::byte*>(std::aligned_alloc(kDirectAlignment, static_cast<std::size_t>(kPiece))),
          &std::free};
}

}  // namespace

double measure_disk_rate(const std::filesystem::path& file, double seconds) {
  std::vector<Room> rooms;
  rooms.reserve(kReaders);
  for (std::size_t i = 0; i < kReaders; ++i) rooms.push_back(make_room());
  for (const Room& room : rooms) {
    if (!room) throw Error("[load] {}: no memory to measure its disk", file.string());
  }
  const FileDescriptor opened = open_file(file, rooms[0].get());
  std::atomic<Index> next = 0;
  std::atomic<Index> bytes = 0;
  std::atomic<int> failure = 0;
  const Stopwatch watch;
  const auto read = [&](std::byte* room) {
    while (watch.seconds() < seconds) {
      const ssize_t got = ::pread(opened.get(), room, static_cast<std::size_t>(kPiece), kPiece * next++);
      if (got < 0 && errno != EINTR) failure = errno;
      // The last piece of a file is not whole, and ends the measurement.
      if (got != kPiece) return;
      bytes += kPiece;
    }
  };
  std::vector<std::jthread> readers;
  readers.reserve(rooms.size());
  for (const Room& room : rooms) readers.emplace_back(read, room.get());
  readers.clear();
  if (failure != 0) throw Error("[load] {}: cannot read: {}", file.string(), errno_text(failure));
  return static_cast<double>(bytes) / watch.seconds();
}

}  // namespace lorry::io
