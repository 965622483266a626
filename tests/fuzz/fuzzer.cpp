// What libFuzzer calls: `lorry_fuzz --reader=NAME FOLDER...`. It needs clang; scripts/fuzz builds and runs
// it.
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>

#include "core/error.hpp"
#include "fuzz/readers.hpp"

namespace {

using lorry::fuzz::Reader;

const Reader* reader_called(std::string_view name) {
  for (const Reader& reader : lorry::fuzz::readers()) {
    if (reader.name == name) return &reader;
  }
  return nullptr;
}

/// Set once, before the first input.
struct {
  const Reader* reader = nullptr;
  std::filesystem::path file;
} target;

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* count, char*** arguments) {
  constexpr std::string_view kFlag = "--reader=";
  for (int i = 1; i < *count; ++i) {
    const std::string_view argument = (*arguments)[i];
    if (argument.starts_with(kFlag)) target.reader = reader_called(argument.substr(kFlag.size()));
  }
  if (target.reader == nullptr) {
    std::fputs("lorry_fuzz: expected --reader=NAME of a reader in tests/fuzz/readers.cpp\n", stderr);
    std::exit(2);
  }
  // A folder of this process: several may run, and libFuzzer starts others of itself.
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("lorry-fuzz-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  target.file = folder / target.reader->file;
  std::atexit([] { std::filesystem::remove_all(target.file.parent_path()); });
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  {
    std::ofstream file(target.file, std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  }
  try {
    target.reader->read(target.file);
  } catch (const lorry::Error&) {  // as it should
  }
  return 0;
}
