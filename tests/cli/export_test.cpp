// lorry export: a GGUF file of a trained adapter, and mistakes.
#include <nlohmann/json.hpp>

#include "cli/tiny_model_test.hpp"
#include "io/gguf.hpp"

namespace lorry::cli {
namespace {

class ExportCommand : public TinyModelTest {};

TEST_F(ExportCommand, WritesATrainedAdapterForLlamaCpp) {
  ASSERT_EQ(train("adapter", {"--rank", "3", "--lora-alpha", "12"}).code, 0);
  const Outcome outcome = run_lorry(
      {"export", "--format", "gguf", "--adapter", path("adapter"), "--out", path("adapter.gguf"), "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json.at("architecture"), "llama");
  EXPECT_EQ(json.at("updates"), 14);
  EXPECT_EQ(json.at("folded"), 0);
  EXPECT_EQ(json.at("alpha"), 12.0);
  EXPECT_EQ(json.at("bytes"), std::filesystem::file_size(path("adapter.gguf")));
  const io::GgufFile file(path("adapter.gguf"));
  EXPECT_EQ(file.metadata().find_number("adapter.lora.alpha"), 12.0);
  EXPECT_EQ(file.tensors().size(), 28U);
  EXPECT_EQ(file.tensors()[0].name, "blk.0.attn_q.weight.lora_a");
  EXPECT_EQ(file.tensors()[0].shape, (std::vector<Index>{3, 32}));
  // It is no model.
  const Outcome as_model = run_lorry({"generate", "--model", path("adapter.gguf"), "--prompt", "x"});
  EXPECT_EQ(as_model.code, 1);
  EXPECT_NE(as_model.err.find("found \"adapter\"; expected \"model\""), std::string::npos) << as_model.err;
}

TEST_F(ExportCommand, SaysWhatItDid) {
  ASSERT_EQ(train("ranks", {"--rank", "4", "--use-rslora", "--rank-pattern", "q_proj=2"}).code, 0);
  const Outcome outcome =
      run_lorry({"export", "--adapter", path("ranks"), "--out", path("ranks.gguf"), "--type", "f16"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("ranks.gguf (llama, 14 updates, "), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("scales: those of 12 updates are multiplied into their tensors"),
            std::string::npos)
      << outcome.out;
  EXPECT_EQ(io::GgufFile(path("ranks.gguf")).tensors()[0].type->name, "F16");
}

TEST_F(ExportCommand, RefusesWhatItCannotDoInOneLine) {
  ASSERT_EQ(train("dora", {"--use-dora"}).code, 0);
  const auto refusal = [&](const Arguments& more) { return run({"export", "--out", path("no.gguf")}, more); };
  expect_refusal(refusal({"--adapter", path("dora")}),
                 "dora: found use_dora; expected an adapter without DoRA", "no.gguf");
  expect_refusal(refusal({"--adapter", path("dora"), "--format", "onnx"}), "onnx", "no.gguf");
  expect_refusal(refusal({"--adapter", path("dora"), "--type", "q8_0"}), "q8_0", "no.gguf");
  expect_refusal(refusal({"--adapter", path("nowhere"), "--model", path("model")}), "nowhere", "no.gguf");
  expect_refusal(refusal({"--model", path("model")}), "--adapter: missing", "no.gguf");
  const Outcome output = run_lorry({"export", "--adapter", path("dora"), "--output", path("no.gguf")});
  EXPECT_NE(output.err.find("--out"), std::string::npos) << output.err;
  ASSERT_EQ(train("plain", {}).code, 0);
  expect_refusal(run_lorry({"export", "--adapter", path("plain"), "--out", path("none") + "/x.gguf"}),
                 "cannot create", "none");
  io::put(path("there.gguf"), "a model");
  const Outcome there = run_lorry({"export", "--adapter", path("plain"), "--out", path("there.gguf")});
  EXPECT_EQ(there.code, 1);
  EXPECT_NE(there.err.find("expected a new one"), std::string::npos) << there.err;
  EXPECT_EQ(io::get(path("there.gguf")), "a model");
}

}  // namespace
}  // namespace lorry::cli
