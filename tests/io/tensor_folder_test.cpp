#include "io/tensor_folder.hpp"

#include "io/io_support.hpp"
#include "io/safetensors_writer.hpp"

namespace lorry::io {
namespace {

/// A file of one-element float tensors.
void put_tensors(const std::filesystem::path& path, const std::map<std::string, float>& values) {
  std::vector<TensorSpec> specs;
  for (const auto& [name, value] : values) specs.push_back({name, DType::kF32, {1}});
  SafetensorsWriter writer(path, specs);
  for (const auto& [name, value] : values) writer.write(name, std::as_bytes(std::span(&value, 1)));
  writer.finish();
}

float value_of(const TensorView& tensor) {
  return *reinterpret_cast<const float*>(tensor.bytes.data());
}

class TensorFolderTest : public ::testing::Test {
 protected:
  std::string message() {
    return error_of([&] { TensorFolder opened(folder_.path()); });
  }
  void put_index(std::string_view content) { put(folder_ / kModelIndexFile, content); }

  const ScratchFolder folder_;
  const std::string path_ = folder_.path().string();
};

TEST_F(TensorFolderTest, OpensASingleFile) {
  put_tensors(folder_ / kModelFile, {{"a", 1.0F}, {"b", 2.0F}});
  put(folder_ / "pytorch_model.bin", "never looked at");
  const TensorFolder opened(folder_.path());
  EXPECT_EQ(opened.names(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(value_of(opened.at("b")), 2.0F);
  EXPECT_EQ(opened.total_bytes(), 8);
  EXPECT_EQ(opened.find("c"), nullptr);
  EXPECT_EQ(error_of([&] { return opened.at("c").name; }), "[load] " + path_ + ": tensor \"c\": missing");
}

TEST_F(TensorFolderTest, FollowsLinksAsTheHuggingFaceCacheMakesThem) {
  std::filesystem::create_directory(folder_ / "blobs");
  std::filesystem::create_directory(folder_ / "snapshot");
  put_tensors(folder_ / "blobs/0123", {{"a", 1.0F}});
  std::filesystem::create_symlink("../blobs/0123", folder_ / "snapshot" / kModelFile);
  EXPECT_EQ(value_of(TensorFolder(folder_ / "snapshot").at("a")), 1.0F);
}

TEST_F(TensorFolderTest, OpensShardsAsOne) {
  put_tensors(folder_ / "s1.safetensors", {{"a", 1.0F}, {"c", 3.0F}});
  put_tensors(folder_ / "s2.safetensors", {{"b", 2.0F}});
  put_index(R"({"metadata":{"total_size":12},"weight_map":{"a":"s1.safetensors","b":"s2.safetensors",
               "c":"s1.safetensors"}})");
  TensorFolder first(folder_.path());
  const TensorFolder opened(std::move(first));
  EXPECT_EQ(opened.names(), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(value_of(opened.at("a")), 1.0F);
  EXPECT_EQ(value_of(opened.at("b")), 2.0F);
  EXPECT_EQ(value_of(opened.at("c")), 3.0F);
  EXPECT_EQ(opened.files().size(), 2U);
  EXPECT_EQ(opened.file_of("b").path(), folder_ / "s2.safetensors");
}

TEST_F(TensorFolderTest, RefusesAnIndexThatLies) {
  put_index(R"({"weight_map":{"a":"s1.safetensors"}})");
  EXPECT_EQ(message(),
            "[load] " + path_ +
                "/s1.safetensors: missing; model.safetensors.index.json puts the tensor \"a\" there");
  put_tensors(folder_ / "s1.safetensors", {{"a", 1.0F}});
  put_index(R"({"weight_map":{"a":"s1.safetensors","b":"s1.safetensors"}})");
  EXPECT_EQ(message(),
            "[load] " + path_ +
                "/s1.safetensors: tensor \"b\": missing; model.safetensors.index.json puts it there");
  put_tensors(folder_ / "s2.safetensors", {{"b", 2.0F}});
  put_index(R"({"weight_map":{"a":"s2.safetensors","b":"s1.safetensors"}})");
  EXPECT_EQ(message(),
            "[load] " + path_ +
                "/s2.safetensors: tensor \"a\": missing; model.safetensors.index.json puts it there");
  put_tensors(folder_ / "s2.safetensors", {{"a", 2.0F}, {"b", 2.0F}});
  put_index(R"({"weight_map":{"a":"s1.safetensors","b":"s2.safetensors"}})");
  EXPECT_EQ(message(),
            "[load] " + path_ +
                "/s2.safetensors: tensor \"a\": found in s1.safetensors too; expected every tensor once");
}

TEST_F(TensorFolderTest, RefusesShardNamesThatLeadElsewhere) {
  for (const std::string name :
       {"../x.safetensors", "/etc/passwd", "sub/x.safetensors", "..", ".", "", "a\\\\b", "x\\u0000y"}) {
    put_index(R"({"weight_map":{"a":")" + name + "\"}}");
    EXPECT_EQ(message(), "[load] " + path_ +
                             "/model.safetensors.index.json: field \"weight_map.a\": found \"" + name +
                             "\"; expected the name of a file in the same folder");
  }
}

TEST_F(TensorFolderTest, RefusesABadIndex) {
  const std::string start = "[load] " + path_ + "/model.safetensors.index.json: ";
  put_index("{}");
  EXPECT_EQ(message(), start + "field \"weight_map\": missing; expected an object");
  put_index(R"({"weight_map":["a"]})");
  EXPECT_EQ(message(), start + "field \"weight_map\": found [\"a\"]; expected an object");
  put_index(R"({"weight_map":{}})");
  EXPECT_EQ(message(), start + "field \"weight_map\": found {}; expected at least one tensor");
  put_index(R"({"weight_map":{"a":1}})");
  EXPECT_EQ(message(),
            start + "field \"weight_map.a\": found 1; expected the name of a file in the same folder");
  put_index("{\"weight_map\":");
  EXPECT_EQ(message().substr(0, start.size() + 14), start + "not valid JSON");
}

TEST_F(TensorFolderTest, SaysWhichOtherWeightsItFound) {
  const std::string expected =
      "; expected weights in safetensors form: model.safetensors or "
      "model.safetensors.index.json";
  put(folder_ / "config.json", "{}");
  EXPECT_EQ(message(), "[load] " + path_ + ": found no weights" + expected);
  put(folder_ / "pytorch_model.bin", "x");
  EXPECT_EQ(message(), "[load] " + path_ + ": found \"pytorch_model.bin\"" + expected);
  put(folder_ / "model-q4.gguf", "x");
  EXPECT_EQ(message(), "[load] " + path_ + ": found \"model-q4.gguf\"" + expected);
  put(folder_ / "adapter_model.safetensors", "x");
  EXPECT_EQ(message(), "[load] " + path_ + ": found \"adapter_model.safetensors\"" + expected);
}

TEST_F(TensorFolderTest, RefusesWhatIsNoFolder) {
  put(folder_ / "file", "x");
  EXPECT_EQ(error_of([&] { TensorFolder opened(folder_ / "file"); }),
            "[load] " + path_ + "/file: found a file; expected the folder of a model");
  EXPECT_EQ(error_of([&] { TensorFolder opened(folder_ / "none"); }),
            "[load] " + path_ + "/none: no such folder");
}

}  // namespace
}  // namespace lorry::io
