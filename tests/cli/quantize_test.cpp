// lorry quantize and init --format nf4: training on what they write, and mistakes.
#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/tiny_model_test.hpp"

namespace lorry::cli {
namespace {

class QuantizeCommand : public TinyModelTest {};

TEST_F(QuantizeCommand, AnAdapterTrainsOnWhatItWrites) {
  for (const std::string format : {"nf4", "int8"}) {
    const Outcome outcome = run_lorry(
        {"quantize", "--model", path("model"), "--out", path(format), "--format", format, "--json"});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    const auto json = nlohmann::json::parse(outcome.out);
    EXPECT_EQ(json.at("matrices"), 14);
    EXPECT_EQ(json.at("format"), format);
    EXPECT_LT(json.at("bytes"), json.at("bytes_before"));
    EXPECT_GT(json.at("relative_error"), format == "nf4" ? 0.05 : 0.002);
    EXPECT_LT(json.at("relative_error"), format == "nf4" ? 0.15 : 0.02);
    const auto inspected = nlohmann::json::parse(run_lorry({"inspect", path(format), "--json"}).out);
    const Index weights = 2 * (2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 64);
    EXPECT_EQ(inspected.at("elements_by_dtype").at(format == "nf4" ? "NF4" : "INT8"), weights);
    const Outcome trained = run_lorry({"train", "--model", path(format), "--data", path("data.jsonl"),
                                       "--out", path("on-" + format), "--dtype", "f32", "--threads", "1",
                                       "--max-seq-length", "64", "--steps", "20", "--lr", "1e-2"});
    EXPECT_EQ(trained.code, 0) << trained.err;
    const Arguments merge = {"merge",
                             "--model",
                             path(format),
                             "--adapter",
                             path("on-" + format),
                             "--out",
                             path("merged-" + format)};
    expect_refusal(run_lorry(merge), "found a quantised model; expected --dequantize", "merged-" + format);
    const Outcome merged = run(merge, {"--dequantize"});
    ASSERT_EQ(merged.code, 0) << merged.err;
    const auto plain = nlohmann::json::parse(run_lorry({"inspect", path("merged-" + format), "--json"}).out);
    EXPECT_EQ(plain.at("elements_by_dtype").at("BF16"), weights);
    const auto loss = [&](const Arguments& more) {
      const Outcome evaluated = run({"eval", "--data", path("data.jsonl"), "--dtype", "f32", "--threads", "1",
                                     "--max-seq-length", "64", "--json"},
                                    more);
      return nlohmann::json::parse(evaluated.out).at("loss").get<double>();
    };
    const double with_adapter = loss({"--model", path(format), "--adapter", path("on-" + format)});
    EXPECT_NEAR(loss({"--model", path("merged-" + format)}), with_adapter, 2e-3 * with_adapter);
    EXPECT_GT(std::abs(loss({"--model", path(format)}) - with_adapter), 4e-3 * with_adapter);
  }
}

TEST_F(QuantizeCommand, ScalesStayInFloat32WhereAskedFor) {
  ASSERT_EQ(
      run_lorry({"quantize", "--model", path("model"), "--out", path("single"), "--no-double-quant"}).code,
      0);
  const auto file =
      nlohmann::json::parse(run_lorry({"inspect", path("single") + "/model.safetensors", "--json"}).out);
  EXPECT_NE(file.dump().find(".absmax"), std::string::npos);
  EXPECT_EQ(file.dump().find(".nested_absmax"), std::string::npos);
}

TEST_F(QuantizeCommand, InitWritesTheSame) {
  const Outcome outcome =
      run_lorry({"init", "--config", path("model"), "--out", path("random"), "--format", "nf4"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(outcome.out.ends_with("parameters, nf4 and bf16)\n")) << outcome.out;
  const auto inspected = nlohmann::json::parse(run_lorry({"inspect", path("random"), "--json"}).out);
  EXPECT_EQ(inspected.at("elements_by_dtype").at("NF4"), 2 * (2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 64));
  // A quantised model's config makes a dense model again.
  ASSERT_EQ(run_lorry({"init", "--config", path("random"), "--out", path("dense")}).code, 0);
  const auto dense = nlohmann::json::parse(run_lorry({"inspect", path("dense"), "--json"}).out);
  EXPECT_FALSE(dense.at("elements_by_dtype").contains("NF4"));
}

TEST_F(QuantizeCommand, MistakesAreRefused) {
  expect_refusal(run_lorry({"quantize", "--model", path("model"), "--out", path("no"), "--format", "int8",
                            "--no-double-quant"}),
                 "[quantize] --no-double-quant: found with --format int8; expected --format nf4", "no");
  expect_refusal(run_lorry({"quantize", "--model", path("model"), "--out", path("no"), "--format", "fp4"}),
                 "fp4", "no");
  ASSERT_EQ(run_lorry({"quantize", "--model", path("model"), "--out", path("once")}).code, 0);
  expect_refusal(run_lorry({"quantize", "--model", path("once"), "--out", path("no")}),
                 "found a model that is quantised already", "no");
  expect_refusal(run_lorry({"quantize", "--model", path("nowhere"), "--out", path("no")}), "nowhere", "no");
}

}  // namespace
}  // namespace lorry::cli
