#include "cli/program.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <csignal>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/clock.hpp"
#include "io/io_support.hpp"

namespace lorry::cli {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kTinyConfig = R"({
  "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_act": "silu",
  "vocab_size": 260, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
  "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128,
  "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": false,
  "initializer_range": 0.3, "bos_token_id": 0, "eos_token_id": 1})";

[[noreturn]] void become(const std::vector<std::string>& arguments, const std::string& out,
                         const std::string& err) {
  std::vector<char*> pointers;
  std::string program = LORRY_BUILD_DIR "/lorry";
  pointers.push_back(program.data());
  std::vector<std::string> copies = arguments;
  for (std::string& argument : copies) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  const int flags = O_WRONLY | O_CREAT | O_TRUNC;
  ::dup2(::open(out.c_str(), flags, 0600), STDOUT_FILENO);
  ::dup2(::open(err.c_str(), flags, 0600), STDERR_FILENO);
  ::execv(program.c_str(), pointers.data());
  ::_exit(127);
}

/// Waits for the end of `child`, or ends it after `seconds`; its status.
int wait_for(pid_t child, double seconds) {
  int status = 0;
  const Stopwatch watch;
  while (std::isfinite(seconds) && watch.seconds() < seconds) {
    if (::waitpid(child, &status, WNOHANG) == child) return status;
    ::usleep(100);
  }
  if (std::isfinite(seconds)) ::kill(child, SIGKILL);
  ::waitpid(child, &status, 0);
  return status;
}

Outcome run_and_wait(const std::vector<std::string>& arguments, const std::function<int(pid_t)>& wait) {
  const io::ScratchFolder scratch;
  const std::string out = scratch / "out";
  const std::string err = scratch / "err";
  const pid_t child = ::fork();
  if (child == 0) become(arguments, out, err);
  const int status = wait(child);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), io::get(out), io::get(err)};
}

/// VmHWM of a child that has become the program; 0 before.
std::ptrdiff_t high_water(pid_t child) {
  std::ifstream status("/proc/" + std::to_string(child) + "/status");
  bool is_program = false;
  std::string key;
  while (status >> key) {
    std::string value;
    status >> value;
    if (key == "Name:") is_program = value == "lorry";
    constexpr std::ptrdiff_t kKib = 1024;
    if (key == "VmHWM:" && is_program) return std::stoll(value) * kKib;
    status.ignore(1 << 16, '\n');
  }
  return 0;
}

/// The character that stands for a byte in byte-level vocabularies: itself where it is printable, else the
/// next one from U+0100 on.
std::string character_of(int byte, int& next) {
  const bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  const int code = printable ? byte : next++;
  if (code < 0x80) return {static_cast<char>(code)};
  return {static_cast<char>(0xC0 | (code >> 6)), static_cast<char>(0x80 | (code & 0x3F))};
}

Json special_token(int id, const char* text) {
  return {{"id", id},        {"content", text},     {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", true}};
}

Json tiny_tokenizer() {
  Json vocabulary = {{"<s>", 0}, {"</s>", 1}};
  int next = 256;
  for (int byte = 0; byte < 256; ++byte) vocabulary[character_of(byte, next)] = 2 + byte;
  const Json bytes = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  const Json begin = {{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}};
  const Json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  const Json second = {{"Sequence", {{"id", "B"}, {"type_id", 1}}}};
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", {special_token(0, "<s>"), special_token(1, "</s>")}},
          {"normalizer", nullptr},
          {"pre_tokenizer", bytes},
          {"post_processor",
           {{"type", "TemplateProcessing"},
            {"single", {begin, text}},
            {"pair", {begin, text, second}},
            {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {0}}, {"tokens", {"<s>"}}}}}}}},
          {"decoder", bytes},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", nullptr},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", false},
            {"byte_fallback", false},
            {"ignore_merges", false},
            {"vocab", vocabulary},
            {"merges", Json::array()}}}};
}

}  // namespace

Outcome run_lorry(const std::vector<std::string>& arguments) {
  return run_lorry(arguments, std::numeric_limits<double>::infinity());
}

Outcome run_lorry_watched(const std::vector<std::string>& arguments) {
  std::ptrdiff_t peak = 0;
  Outcome outcome = run_and_wait(arguments, [&](pid_t child) {
    int status = 0;
    while (::waitpid(child, &status, WNOHANG) != child) {
      peak = std::max(peak, high_water(child));
      ::usleep(200);
    }
    return status;
  });
  outcome.peak_rss_bytes = peak;
  return outcome;
}

Outcome run_lorry(const std::vector<std::string>& arguments, double seconds) {
  return run_and_wait(arguments, [seconds](pid_t child) { return wait_for(child, seconds); });
}

Outcome run_lorry(const std::vector<std::string>& arguments, const std::function<bool()>& ready, int signal,
                  int times) {
  return run_and_wait(arguments, [&](pid_t child) {
    int status = 0;
    for (int sent = 0; sent < times; ++sent) {
      while (!ready()) {
        if (::waitpid(child, &status, WNOHANG) == child) return status;
        ::usleep(100);
      }
      ::kill(child, signal);
      ::usleep(20'000);  // two signals at once would be one
    }
    ::waitpid(child, &status, 0);
    return status;
  });
}

void write_tiny_parts(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  io::put(folder / "config.json", kTinyConfig);
  io::put(folder / "tokenizer.json", tiny_tokenizer().dump());
}

void make_tiny_model(const std::filesystem::path& parts, const std::filesystem::path& model) {
  write_tiny_parts(parts);
  const Outcome outcome =
      run_lorry({"init", "--config", parts / "config.json", "--tokenizer", parts / "tokenizer.json",
                 "--dtype", "f32", "--seed", "3", "--out", model});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
}

std::string counting_records(int count) {
  constexpr std::array kWords = {"zero", "one", "two", "three", "four"};
  std::string lines;
  for (int i = 0; i < count; ++i) {
    const std::size_t digit = static_cast<std::size_t>(i) % kWords.size();
    const Json record = {{"prompt", "say " + std::to_string(digit) + ":"},
                         {"completion", std::string(" ") + kWords[digit]}};
    lines += record.dump() + "\n";
  }
  return lines;
}

bool has_checkpoint(const std::filesystem::path& out) {
  const auto is_one = [](const std::filesystem::directory_entry& entry) {
    return entry.path().filename().string().starts_with("checkpoint-");
  };
  return std::filesystem::exists(out) && std::any_of(std::filesystem::directory_iterator(out), {}, is_one);
}

std::string least_of(const Outcome& refused) {
  constexpr std::string_view kWords = "expected at least ";
  const std::size_t words = refused.err.find(kWords);
  const std::size_t unit = refused.err.find("iB", words);
  if (words == std::string::npos || unit == std::string::npos) {
    ADD_FAILURE() << "no least in: " << refused.err;
    return "0 MiB";
  }
  const std::size_t at = words + kWords.size();
  return refused.err.substr(at, unit + 2 - at);
}

Index bytes_of(const std::string& text) {
  EXPECT_TRUE(text.ends_with(" MiB") || text.ends_with(" GiB")) << text;
  const double unit = text.ends_with("GiB") ? 0x1p30 : 0x1p20;
  return static_cast<Index>(std::stod(text) * unit);
}

}  // namespace lorry::cli
