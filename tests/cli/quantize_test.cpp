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
  const Arguments merge = {"merge", "--model", path("once"), "--adapter", path("none"), "--out", path("no")};
  expect_refusal(run(merge, {"--no-double-quant"}), "found without --format nf4; expected both", "no");
  expect_refusal(run(merge, {"--format", "nf4"}), "found a quantised model; expected one with plain", "no");
  expect_refusal(run_lorry({"quantize", "--model", path("nowhere"), "--out", path("no")}), "nowhere", "no");
}

/// Merging keeps the format, says what that lost, and warns where it was too much.
TEST_F(QuantizeCommand, AMergedModelStaysQuantisedAndTheLossIsTold) {
  const Outcome trained = run_lorry({"train", "--model", path("model"), "--data", path("data.jsonl"), "--out",
                                     path("plain"), "--dtype", "f32", "--threads", "1", "--max-seq-length",
                                     "64", "--steps", "20", "--lr", "1e-2"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  const auto loss = [&](const std::string& model) {
    const Outcome evaluated =
        run_lorry({"eval", "--model", path(model), "--data", path("data.jsonl"), "--dtype", "f32",
                   "--threads", "1", "--max-seq-length", "64", "--json"});
    return nlohmann::json::parse(evaluated.out).at("loss").get<double>();
  };
  const double before = loss("model");
  const Outcome plain = run_lorry(
      {"merge", "--model", path("model"), "--adapter", path("plain"), "--out", path("all of it"), "--json"});
  ASSERT_EQ(plain.code, 0) << plain.err;
  EXPECT_EQ(plain.err, "");
  EXPECT_NEAR(nlohmann::json::parse(plain.out).at("kept").get<double>(), 1.0, 1e-4);
  const double after = loss("all of it");
  for (const std::string format : {"nf4", "int8"}) {
    const std::string out = "merged to " + format;
    const Outcome merged = run_lorry({"merge", "--model", path("model"), "--adapter", path("plain"), "--out",
                                      path(out), "--format", format, "--json"});
    ASSERT_EQ(merged.code, 0) << merged.err;
    const auto json = nlohmann::json::parse(merged.out);
    ASSERT_EQ(json.at("tensors").size(), 14U);
    EXPECT_EQ(json.at("tensors").at(0).at("type"), format == "nf4" ? "NF4" : "INT8");
    EXPECT_GT(json.at("lost_to_update"), format == "nf4" ? 0.1 : 0.005);
    EXPECT_GT(json.at("kept"), 0.9);
    EXPECT_NEAR(loss(out), after, 0.3 * (before - after));
    const auto inspected = nlohmann::json::parse(run_lorry({"inspect", path(out), "--json"}).out);
    EXPECT_EQ(inspected.at("elements_by_dtype").at(format == "nf4" ? "NF4" : "INT8"),
              2 * (2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 64));
    // A second time into what is quantised now.
    const Outcome again =
        run_lorry({"merge", "--model", path(out), "--adapter", path("plain"), "--out", path(out + " again")});
    ASSERT_EQ(again.code, 0) << again.err;
    EXPECT_NE(again.out.find("what rounding lost of the update; the 5 tensors that lost most:\n"),
              std::string::npos)
        << again.out;
    EXPECT_NE(again.out.find("all 14"), std::string::npos) << again.out;
    EXPECT_EQ(io::get(path(out + " again") + "/config.json"), io::get(path(out) + "/config.json"));
  }
  // Three steps at a tiny rate: NF4's steps are wider than the whole update.
  ASSERT_EQ(train("faint", {"--lr", "1e-5"}).code, 0);
  const Outcome faint = run_lorry(
      {"merge", "--model", path("merged to nf4"), "--adapter", path("faint"), "--out", path("drowned")});
  ASSERT_EQ(faint.code, 0) << faint.err;
  EXPECT_EQ(faint.err.find("warning: rounding drowns the update in 14 of 14 tensors ("), 0U) << faint.err;
}

}  // namespace
}  // namespace lorry::cli
