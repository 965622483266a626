// The readers of files that other people wrote, each as a function of a file alone: what libFuzzer drives
// (fuzzer.cpp), and what the tests replay over the inputs it found (replay_test.cpp).
#pragma once
#include <filesystem>
#include <span>
#include <string_view>

namespace lorry::fuzz {

struct Reader {
  std::string_view name;  // "safetensors"; of its folder in corpus/
  std::string_view file;  // what the file must be called
  /// Reads all that the file says. Throws Error, and nothing else, where it is badly made.
  void (*read)(const std::filesystem::path& file);
  /// Of its corpus are badly made, at least. Few where nearly any bytes mean something.
  int refused = 50;
};

std::span<const Reader> readers();

}  // namespace lorry::fuzz
