// data/prompts.hpp: a file of prompts to be continued.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace lorry::data {

/// A `.jsonl` holds an object with "prompt" per line, whose other keys (a "completion") are ignored; a `.txt`
/// holds a prompt per line. Blank lines are skipped. Throws Error with file and line for malformed JSON, a
/// missing prompt, one that is not a string and invalid UTF-8, and for a file without a prompt.
std::vector<std::string> read_prompts(const std::filesystem::path& path);

}  // namespace lorry::data
