// Quantised models that are cut short or badly made: one line that names the file, whatever the command, and
// nothing half-written.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/tiny_model_test.hpp"
#include "support/golden_folder.hpp"

namespace lorry::cli {
namespace {

namespace fs = std::filesystem;

class QuantizedFaults : public TinyModelTest {
 protected:
  static void SetUpTestSuite() {
    TinyModelTest::SetUpTestSuite();
    const Outcome made = run_lorry({"quantize", "--model", path("model"), "--out", path("nf4")});
    ASSERT_EQ(made.code, 0) << made.err;
    io::put(path("base.gguf"), io::get(golden_folder() / "gguf/qwen2.gguf"));
  }
  /// Every command that reads `model` says what is wrong with it in one line that names `file`.
  static void expect_named(const std::string& model, const std::string& file, const std::string& words) {
    const std::string data = path("data.jsonl");
    const std::string out = path("out");
    const std::vector<Arguments> commands = {
        {"train", "--data", data, "--out", out, "--max-seq-length", "32", "--memory-budget", "1GiB"},
        {"eval", "--data", data, "--max-seq-length", "32"},
        {"generate", "--prompt", "x"},
        {"inspect"},
    };
    for (Arguments command : commands) {
      if (command.front() == "inspect") {
        command.push_back(model);
      } else {
        command.insert(command.end(), {"--model", model});
      }
      const Outcome outcome = run_lorry(command);
      EXPECT_EQ(outcome.code, 1) << command.front() << ": " << outcome.err;
      EXPECT_EQ(outcome.err.find("error: "), 0U) << command.front() << ": " << outcome.err;
      EXPECT_EQ(outcome.err.find('\n'), outcome.err.size() - 1) << command.front() << ": " << outcome.err;
      EXPECT_NE(outcome.err.find(file), std::string::npos) << outcome.err;
      EXPECT_NE(outcome.err.find(words), std::string::npos) << outcome.err << "  lacks: " << words;
      EXPECT_FALSE(fs::exists(out)) << command.front();
    }
  }
  /// A copy of the NF4 folder with other bytes of weights.
  static std::string nf4_with(const std::string& bytes) {
    const std::string folder = path("broken");
    fs::remove_all(folder);
    fs::copy(path("nf4"), folder);
    io::put(folder + "/model.safetensors", bytes);
    return folder;
  }
  static std::string nf4_bytes() { return io::get(path("nf4") + "/model.safetensors"); }
  static std::string replaced(std::string bytes, const std::string& from, const std::string& to) {
    EXPECT_EQ(from.size(), to.size());
    const std::size_t at = bytes.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    if (at != std::string::npos) bytes.replace(at, from.size(), to);
    return bytes;
  }
};

TEST_F(QuantizedFaults, AnNf4FolderCutShortIsRefused) {
  const std::string whole = nf4_bytes();
  for (std::size_t i = 0; i < 8; ++i) {
    const std::string folder = nf4_with(whole.substr(0, whole.size() * i / 8));
    expect_named(folder, folder + "/model.safetensors", "");
  }
  const std::string folder = nf4_with(whole.substr(0, whole.size() - 1));
  expect_named(folder, folder + "/model.safetensors", "perhaps an incomplete download");
}

TEST_F(QuantizedFaults, AGgufFileCutShortIsRefused) {
  const std::string whole = io::get(path("base.gguf"));
  for (std::size_t i = 0; i < 8; ++i) {
    io::put(path("short.gguf"), whole.substr(0, whole.size() * i / 8));
    expect_named(path("short.gguf"), path("short.gguf"), "");
  }
}

TEST_F(QuantizedFaults, Nf4MatricesOfOtherSizesOrBlocksAreRefused) {
  const std::string whole = nf4_bytes();
  const std::string file = path("broken") + "/model.safetensors";
  expect_named(nf4_with(replaced(whole, R"("blocksize": 64)", R"("blocksize": 32)")), file,
               "\"blocksize\": found 32; expected 64");
  expect_named(nf4_with(replaced(whole, R"("quant_type": "nf4")", R"("quant_type": "af4")")), file,
               "quant_type");
  expect_named(nf4_with(replaced(whole, R"("nested_blocksize": 256)", R"("nested_blocksize": 128)")), file,
               "nested_blocksize");
  // The same bytes as a matrix of other sizes have another number of blocks.
  const std::string folder = nf4_with(whole);
  nlohmann::json config = nlohmann::json::parse(io::get(folder + "/config.json"));
  config["intermediate_size"] = config["intermediate_size"].get<Index>() * 2;
  io::put(folder + "/config.json", config.dump());
  expect_named(folder, file, "mlp.");
}

TEST_F(QuantizedFaults, GgufMatricesOfOtherTypesOrSizesAreRefused) {
  const std::string whole = io::get(path("base.gguf"));
  const std::string name = "blk.0.attn_q.weight";
  const std::size_t sizes = whole.find(name) + name.size() + 4;  // behind the number of dimensions
  ASSERT_LT(sizes, whole.size());
  const auto with_byte = [&](std::size_t at, char value) {
    std::string bytes = whole;
    bytes[at] = value;
    io::put(path("broken.gguf"), bytes);
    return path("broken.gguf");
  };
  constexpr std::size_t kType = 16;                                           // behind two sizes
  expect_named(with_byte(sizes + kType, 8), path("broken.gguf"), "overlap");  // Q8_0: more bytes
  expect_named(with_byte(sizes + kType, 77), path("broken.gguf"), "type 77");
  expect_named(with_byte(sizes + kType, 10), path("broken.gguf"), "whole blocks of 256");  // Q2_K
  expect_named(with_byte(sizes, 32), path("broken.gguf"), "found [64,32]; expected [64,64]");
  expect_named(with_byte(sizes + 7, 127), path("broken.gguf"), name);  // a size of 2^63
}

}  // namespace
}  // namespace lorry::cli
