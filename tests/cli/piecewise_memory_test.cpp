// --memory-budget of what goes through models piece by piece: merging, quantising, analysing. Each within its
// budget, to the same bytes; too small a one is refused with the least that does, and that one does.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>

#include "cli/program.hpp"
#include "cli/small_adapters.hpp"
#include "core/rng.hpp"
#include "io/gguf_writer.hpp"
#include "io/io_support.hpp"
#include "io/json_file.hpp"
#include "support/golden_folder.hpp"

namespace lorry::cli {
namespace {

using Arguments = std::vector<std::string>;

std::vector<std::vector<float>> random_rows(Index rows, Index cols, std::uint64_t stream) {
  constexpr float kSize = 0.02F;
  Rng rng(7, stream);
  std::vector<std::vector<float>> all(static_cast<std::size_t>(rows));
  for (std::vector<float>& row : all) {
    for (Index j = 0; j < cols; ++j) row.push_back(kSize * rng.next_normal());
  }
  return all;
}

/// An update of rank `rank` far from zero.
SmallFactors random_update(const std::string& module, Index outputs, Index inputs, Index rank,
                           std::uint64_t stream) {
  return {.module = module,
          .a = random_rows(rank, inputs, 2 * stream),
          .b = random_rows(outputs, rank, 2 * stream + 1)};
}

/// Every file below `path`, or `path` itself, by its name within it.
std::map<std::string, std::string> files_of(const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) return {{"", io::get(path)}};
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    files[std::filesystem::relative(entry.path(), path).string()] = io::get(entry.path());
  }
  return files;
}

/// Models whose matrices are 2 and 9 MiB in bfloat16, [1040,1040] and [4608,1040], and adapters on them.
class PiecewiseMemory : public testing::Test {
 protected:
  static constexpr Index kWidth = 1040;  // differences are too large to be decomposed whole
  static constexpr Index kInner = 4608;

  static void SetUpTestSuite() {
    scratch_ = std::make_unique<io::ScratchFolder>();
    write_tiny_parts(path("parts"));
    io::Json config = io::read_json_file(path("parts") + "/config.json");
    config["hidden_size"] = kWidth;
    config["intermediate_size"] = kInner;
    config["num_attention_heads"] = 8;
    config["num_key_value_heads"] = 8;
    io::write_json_file(path("parts") + "/config.json", config);
    for (const auto& [name, seed] : {std::pair("model", "1"), {"tuned", "2"}}) {
      const Outcome made = run_lorry({"init", "--config", path("parts") + "/config.json", "--tokenizer",
                                      path("parts"), "--out", path(name), "--dtype", "bf16", "--seed", seed});
      ASSERT_EQ(made.code, 0) << made.err;
    }
    for (const char* format : {"nf4", "int8"}) {
      const Outcome made = run_lorry({"quantize", "--model", path("model"), "--out", path(format), "--format",
                                      format, "--threads", "1"});
      ASSERT_EQ(made.code, 0) << made.err;
    }
    std::vector<SmallFactors> updates;
    for (const char* layer : {"model.layers.0.", "model.layers.1."}) {
      updates.push_back(random_update(std::string(layer) + "self_attn.q_proj", kWidth, kWidth, 4, 1));
      updates.push_back(random_update(std::string(layer) + "mlp.up_proj", kInner, kWidth, 4, 2));
      updates.push_back(random_update(std::string(layer) + "mlp.down_proj", kWidth, kInner, 4, 3));
    }
    write_small_adapter(path("adapter"), updates);
    for (SmallFactors& factors : updates) std::reverse(factors.a.begin(), factors.a.end());
    write_small_adapter(path("other"), updates);
  }
  static void TearDownTestSuite() { scratch_.reset(); }

  static std::string path(std::string_view name) { return *scratch_ / name; }

  static Outcome run(Arguments arguments, const Arguments& more) {
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_lorry_watched(arguments);
  }

  /// Runs `arguments` with --out `name`, without a budget, with too small a one and with the least that the
  /// refusal names.
  static void expect_same_files(const Arguments& arguments, const std::string& name) {
    SCOPED_TRACE(name);
    const auto to = [&](const std::string& out) { return path(name + out); };
    const Outcome free = run(arguments, {"--json", "--out", to("")});
    ASSERT_EQ(free.code, 0) << free.err;
    const std::string least = expect_refusal(arguments, {"--json", "--out", to("-not")});
    EXPECT_FALSE(std::filesystem::exists(to("-not")));
    const std::string out = to("-within");
    const Outcome within = run(arguments, {"--json", "--out", out, "--memory-budget", least});
    ASSERT_EQ(within.code, 0) << within.err;
    expect_within(within, least, free);
    EXPECT_TRUE(files_of(out) == files_of(to("")));
    io::Json report = io::Json::parse(within.out);
    io::Json whole = io::Json::parse(free.out);
    for (io::Json* json : {&report, &whole}) {
      for (const char* of_the_run : {"out", "seconds", "peak_rss_bytes"}) json->erase(of_the_run);
    }
    EXPECT_EQ(report, whole);
    for (const std::string& gone : {to(""), out}) std::filesystem::remove_all(gone);
  }

  /// The same of what an analysis prints, on two threads.
  static Outcome expect_same_numbers(const Arguments& arguments) {
    SCOPED_TRACE(arguments[1] + " " + arguments[2]);
    const Arguments as_json = {"--json", "--threads", "2"};
    const Outcome free = run(arguments, as_json);
    EXPECT_EQ(free.code, 0) << free.err;
    const std::string least = expect_refusal(arguments, as_json);
    const Outcome within = run(arguments, {"--json", "--threads", "2", "--memory-budget", least});
    EXPECT_EQ(within.code, 0) << within.err;
    expect_within(within, least, free);
    EXPECT_EQ(without_times(within.out), without_times(free.out));
    return free;
  }

  static io::Json without_times(const std::string& text) {
    io::Json json = io::Json::parse(text, nullptr, false);
    const std::function<void(io::Json&)> clear = [&](io::Json& node) {
      if (node.is_object()) node.erase("seconds");
      for (io::Json& child : node) {
        if (child.is_structured()) clear(child);
      }
    };
    clear(json);
    return json;
  }

  /// The least budget that a refusal of 1 MiB names. One that is clearly less is refused too.
  static std::string expect_refusal(const Arguments& arguments, const Arguments& more) {
    const auto within = [&](const std::string& budget) {
      Arguments all = more;
      all.insert(all.end(), {"--memory-budget", budget});
      return run(arguments, all);
    };
    const Outcome refused = within("1MiB");
    EXPECT_EQ(refused.code, 2) << refused.err;
    EXPECT_NE(refused.err.find("--memory-budget: found 1.0 MiB; expected at least "), std::string::npos)
        << refused.err;
    EXPECT_EQ(std::count(refused.err.begin(), refused.err.end(), '\n'), 1) << refused.err;
    EXPECT_EQ(refused.out, "");
    const std::string least = least_of(refused);
    EXPECT_EQ(within(std::to_string(bytes_of(least) * 7 / 8)).code, 2) << least;
    return least;
  }

  static void expect_within([[maybe_unused]] const Outcome& within, [[maybe_unused]] const std::string& least,
                            [[maybe_unused]] const Outcome& free) {
#ifndef LORRY_SANITIZED  // there freed memory stays resident
    EXPECT_GT(within.peak_rss_bytes, 0);
    EXPECT_LE(within.peak_rss_bytes, bytes_of(least)) << "without a budget: " << free.peak_rss_bytes;
#endif
  }

 private:
  static inline std::unique_ptr<io::ScratchFolder> scratch_;
};

TEST_F(PiecewiseMemory, MergingGivesTheSameFolders) {
  const auto merge = [](const std::string& base, const Arguments& more, const std::string& name) {
    Arguments arguments = {"merge", "--model", path(base), "--adapter", path("adapter"), "--threads", "2"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    expect_same_files(arguments, name);
  };
  merge("model", {}, "plain");
  merge("model", {"--format", "nf4"}, "to-nf4");
  merge("model", {"--format", "int8"}, "to-int8");
  merge("nf4", {}, "of-nf4");
  merge("int8", {}, "of-int8");
  merge("nf4", {"--dequantize"}, "dequantized");
}

TEST_F(PiecewiseMemory, QuantisingGivesTheSameFolders) {
  for (const char* format : {"nf4", "int8"}) {
    expect_same_files({"quantize", "--model", path("model"), "--format", format, "--threads", "2"},
                      std::string("quantized-") + format);
  }
}

TEST_F(PiecewiseMemory, AnalysesPrintTheSameNumbers) {
  expect_same_numbers({"analyze", "amplification", path("adapter"), "--model", path("model")});
  expect_same_numbers({"analyze", "amplification", path("adapter"), "--model", path("nf4")});
  expect_same_numbers({"analyze", "spectrum", path("adapter")});
  expect_same_numbers({"analyze", "similarity", path("adapter"), path("other")});
}

TEST_F(PiecewiseMemory, SoDoThoseOfAFullFineTune) {
  const Arguments some = {"--model", path("model"), "--modules", "v_proj,lm_head"};
  for (const char* what : {"spectrum", "amplification"}) {
    Arguments arguments = {"analyze", what, path("tuned")};
    arguments.insert(arguments.end(), some.begin(), some.end());
    expect_same_numbers(arguments);
  }
}

TEST_F(PiecewiseMemory, ModulesWaitForEachOtherWhereTheBudgetHoldsOnlyOne) {
  // With all the room there is, two threads work at once; what they print is the same.
  const Arguments arguments = {"analyze", "amplification", path("adapter"),
                               "--model", path("model"),   "--json"};
  const Outcome wide = run(arguments, {"--threads", "2", "--memory-budget", "8GiB"});
  const Outcome one = run(arguments, {"--threads", "1"});
  EXPECT_EQ(without_times(wide.out), without_times(one.out)) << wide.err << one.err;
}

TEST_F(PiecewiseMemory, CompressingGivesTheSameAdapter) {
  expect_same_files({"analyze", "compress", path("adapter"), "--rank", "2", "--threads", "2"}, "smaller");
  expect_same_files({"analyze", "compress", path("tuned"), "--model", path("model"), "--modules",
                     "q_proj,k_proj", "--rank", "3", "--threads", "2"},
                    "extracted");
}

/// The golden file with feed-forward layers of another width, Q8_0 and random.
void widen_gguf(const std::filesystem::path& from, Index width, const std::filesystem::path& to) {
  const io::GgufModel model(from);
  io::GgufPairs pairs;
  for (const io::GgufPair& pair : model.files().front().pairs()) pairs.copy(pair);
  pairs.put_u32("qwen2.feed_forward_length", static_cast<std::uint32_t>(width));
  std::vector<io::GgufTensorSpec> specs;
  const io::GgmlType* const q8_0 = io::find_ggml_type("Q8_0");
  const auto is_wide = [](const std::string& name) {
    return name.find("ffn_") != std::string::npos && name.find("norm") == std::string::npos;
  };
  for (const io::GgufTensor& tensor : model.files().front().tensors()) {
    io::GgufTensorSpec spec{tensor.name, tensor.type, tensor.shape};
    if (is_wide(tensor.name)) {
      spec.type = q8_0;
      spec.shape[tensor.name.find("ffn_down") == std::string::npos ? 0 : 1] = width;
    }
    specs.push_back(std::move(spec));
  }
  io::GgufWriter writer(to, pairs, specs);
  Rng rng(3, 0);
  for (const io::GgufTensorSpec& spec : specs) {
    if (!is_wide(spec.name)) {
      writer.write(spec.name, model.find(spec.name)->bytes);
      continue;
    }
    constexpr Index kBlock = 32;  // an F16 scale and as many codes
    std::string bytes;
    for (Index block = 0; block < spec.shape[0] * spec.shape[1] / kBlock; ++block) {
      bytes += std::string("\x00\x10", 2);
      for (Index i = 0; i < kBlock; ++i)
        bytes += static_cast<char>(static_cast<int>(rng.next_below(128)) - 64);
    }
    writer.write(spec.name, std::as_bytes(std::span(bytes)));
  }
  writer.finish();
}

TEST_F(PiecewiseMemory, MergingGivesTheSameGgufFile) {
  const std::filesystem::path base = path("wide.gguf");
  constexpr Index kGgufWidth = 131072;
  widen_gguf(golden_folder() / "gguf/qwen2.gguf", kGgufWidth, base);
  const Index width = io::GgufModel(base).find("blk.0.ffn_up.weight")->shape[1];
  write_small_adapter(path("on-gguf"),
                      {random_update("model.layers.0.mlp.up_proj", kGgufWidth, width, 4, 1),
                       random_update("model.layers.0.mlp.down_proj", width, kGgufWidth, 4, 2)});
  const Arguments arguments = {"merge",         "--model",   base.string(), "--adapter",
                               path("on-gguf"), "--threads", "2",           "--json"};
  const std::string free = path("free.gguf");
  const Outcome whole = run(arguments, {"--out", free});
  ASSERT_EQ(whole.code, 0) << whole.err;
  const std::string least = expect_refusal(arguments, {"--out", path("none.gguf")});
  EXPECT_FALSE(std::filesystem::exists(path("none.gguf")));
  const Outcome within = run(arguments, {"--out", path("within.gguf"), "--memory-budget", least});
  ASSERT_EQ(within.code, 0) << within.err;
  expect_within(within, least, whole);
  EXPECT_TRUE(io::get(path("within.gguf")) == io::get(free));
  EXPECT_NE(io::get(free), io::get(base));
}

}  // namespace
}  // namespace lorry::cli
