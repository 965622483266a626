#include "train/event_writer.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <vector>

#include "core/error.hpp"
#include "io/mapped_file.hpp"
#include "io/record_frames.hpp"
#include "io/text_file.hpp"
#include "report/escape.hpp"
#include "train/event_message.hpp"

namespace lorry::train {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMark = "tfevents";  // by which TensorBoard knows its files

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// Of this machine, with nothing in it that a file name should not have.
std::string host_name() {
  std::array<char, 65> name = {};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name.front() == '\0') return "localhost";
  std::string text = name.data();
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c) == 0 && c != '-' && c != '.'; },
      '-');
  return text;
}

std::vector<fs::path> event_files(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const bool unfinished = name.starts_with('.');
    if (!unfinished && name.find(kMark) != std::string::npos && entry.is_regular_file()) {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

struct EarlierFile {
  std::string writer;
  Index keep = 0;           // bytes of the events up to the step
  bool has_events = false;  // among these, other than what a file begins with
};

EarlierFile look_at(const fs::path& path, Index last_step) {
  const io::MappedFile file(path);
  io::RecordFrames frames({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()});
  EarlierFile found;
  while (const std::optional<std::string_view> frame = frames.next()) {
    const std::optional<EventHead> event = read_event(*frame);
    if (!event || event->step > last_step) break;
    if (found.keep == 0) found.writer = event->writer;
    found.keep = frames.position();
    found.has_events = found.has_events || event->has_summary;
  }
  return found;
}

/// Markdown that shows `text` as it is.
std::string as_code(std::string_view text) {
  std::string out = "    ";
  for (const char c : text) {
    out += c;
    if (c == '\n') out += "    ";
  }
  return out + '\n';
}

/// The format wants UTF-8, which a path need not be.
std::string writer_of(const fs::path& out) {
  return fmt::format("lorry train --out {}", report::printable(fs::weakly_canonical(out).string()));
}

void remove_file(const fs::path& path) {
  std::error_code failure;
  fs::remove(path, failure);
  if (failure) throw Error("[train] {}: cannot remove: {}", path.string(), failure.message());
}

}  // namespace

void check_event_folder(const fs::path& out, const fs::path& folder) {
  std::error_code failure;
  if (folder.empty() || !fs::exists(folder, failure)) return;
  if (!fs::is_directory(folder, failure)) {
    throw Error("[train] --logging-dir {}: cannot make the folder: Not a directory", folder.string());
  }
  const std::string writer = writer_of(out);
  for (const fs::path& path : event_files(folder)) {
    if (look_at(path, 0).writer == writer) continue;
    throw Error(
        "[train] --logging-dir {}: found {} of another run; expected a folder without events (TensorBoard "
        "shows several runs from folders side by side)",
        folder.string(), path.filename().string());
  }
}

EventWriter::EventWriter(const fs::path& out, fs::path folder, Index first_step)
    : folder_(std::move(folder)) {
  const bool own_folder = folder_.empty();
  if (own_folder) folder_ = out / kEventFolder;
  std::error_code failure;
  fs::create_directories(folder_, failure);
  if (failure) {
    throw Error("[train] --logging-dir {}: cannot make the folder: {}", folder_.string(), failure.message());
  }
  if (!own_folder) check_event_folder(out, folder_);
  const std::string writer = writer_of(out);
  cut_earlier(first_step);
  open_file(writer);
  if (first_step > 0) file_->append(io::record_frame(restart_event(now(), first_step + 1)));
}

void EventWriter::cut_earlier(Index first_step) const {
  for (const fs::path& path : event_files(folder_)) {
    const EarlierFile found = look_at(path, first_step);
    if (first_step == 0 || !found.has_events) {
      remove_file(path);
    } else {
      io::AppendFile("[train]", path, found.keep).sync();
    }
  }
}

/// The beginning appears whole, so that a file can always be told to be this run's.
void EventWriter::open_file(const std::string& writer) {
  const std::string begin = io::record_frame(first_event(now(), writer));
  const std::string stem =
      fmt::format("events.out.{}.{:010.0f}.{}.{}", kMark, now(), host_name(), ::getpid());
  fs::path path;
  for (int number = 0; path.empty() || fs::exists(path); ++number) {
    path = folder_ / fmt::format("{}.{}", stem, number);
  }
  io::write_text_file(path, begin);
  file_.emplace("[train]", path, static_cast<Index>(begin.size()));
}

void EventWriter::add(const io::OrderedJson& line) {
  const Index step = line.value("step", Index{0});
  const std::vector<LogScalar> scalars = log_scalars(line);
  if (!scalars.empty()) file_->append(io::record_frame(scalars_event(now(), step, scalars)));
  const auto samples = line.find("samples");
  if (samples == line.end()) return;
  Index number = 0;
  for (const io::OrderedJson& sample : *samples) {
    add_text(step, fmt::format("samples/{}", ++number),
             fmt::format("prompt\n\n{}\ntext\n\n{}", as_code(sample.value("prompt", std::string())),
                         as_code(sample.value("text", std::string()))));
  }
}

void EventWriter::add_code(Index step, std::string_view tag, std::string_view text) {
  add_text(step, tag, as_code(text));
}

void EventWriter::add_text(Index step, std::string_view tag, std::string_view text) {
  file_->append(io::record_frame(text_event(now(), step, tag, text)));
}

}  // namespace lorry::train
