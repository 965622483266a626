#include "io/text_file.hpp"

#include "core/clock.hpp"
#include "core/error.hpp"
#include "io/atomic_file.hpp"
#include "io/mapped_file.hpp"

namespace lorry::io {

std::string read_text_file(const std::filesystem::path& path, Index max_bytes) {
  const MappedFile file(path);
  if (file.size() > max_bytes) {
    throw Error("[load] {}: found {}; expected at most {}", path.string(), format_bytes(file.size()),
                format_bytes(max_bytes));
  }
  file.advise(MappedFile::Advice::kSequential);
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

void write_text_file(const std::filesystem::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

}  // namespace lorry::io
