// tests/train/run_fixture.hpp: a few records and the options of a short run on stories260k.
#pragma once
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "io/io_support.hpp"
#include "io/json_file.hpp"
#include "train/run.hpp"
#include "train/stories.hpp"

namespace lorry::train {

using io::get;
using io::put;

inline constexpr const char* kTrain = R"({"prompt": "What did Lily see? ", "completion": "A big red ball."}
{"prompt": "Who was sad? ", "completion": "Tom was sad because he lost his toy."}
{"prompt": "Where is the dog? ", "completion": "In the park with Lily."}
{"prompt": "What did mom say? ", "completion": "Be kind and share."}
{"prompt": "Who is that? ", "completion": "That is Tim, the new boy."}
)";
/// Three prompts, and answers to them.
inline constexpr const char* kRepeatedPrompts =
    R"({"prompt": "What did Lily see? ", "completion": "A big red ball."}
{"prompt": "Who was sad? ", "completion": "Tom was sad because he lost his toy."}
{"prompt": "What did Lily see? ", "completion": "A ball."}
{"prompt": "What did Lily see? ", "completion": "She saw a ball in the park."}
{"prompt": "Who was sad? ", "completion": "Tom."}
{"prompt": "Where is the dog? ", "completion": "In the park with Lily."}
)";
inline constexpr const char* kValid = R"({"prompt": "What did Tom see? ", "completion": "A big blue ball."}
)";

class Run : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(shared_data() / "stories260k")) GTEST_SKIP() << "no " << shared_data();
    std::filesystem::create_directory(folder_ / "data");
    put(folder_ / "data" / "train.jsonl", kTrain);
    put(folder_ / "data" / "valid.jsonl", kValid);
    options_.model = shared_data() / "stories260k";
    options_.data = folder_ / "data";
    options_.out = folder_ / "out";
    options_.lr = 5e-3F;
    options_.steps = 6;
    options_.eval_steps = 4;
    options_.batch_size = 1;
    options_.max_seq_length = 64;
    options_.dtype = DType::kF32;
    options_.threads = 1;
    options_.seed = 11;
  }

  [[nodiscard]] std::vector<io::Json> log() const {
    std::vector<io::Json> lines;
    std::ifstream file(options_.out / "log.jsonl");
    for (std::string line; std::getline(file, line);) lines.push_back(io::Json::parse(line));
    return lines;
  }
  [[nodiscard]] std::string error() const {
    return io::error_of([&] { run_training(options_, {}); });
  }

  io::ScratchFolder folder_;
  TrainOptions options_;
};

}  // namespace lorry::train
