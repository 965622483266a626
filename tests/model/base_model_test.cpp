// Where the base of an adapter is looked for.
#include "model/base_model.hpp"

#include <gtest/gtest.h>

#include "io/io_support.hpp"

namespace lorry::model {
namespace {

namespace fs = std::filesystem;

class BaseModel : public testing::Test {
 protected:
  BaseModel() {
    fs::create_directories(scratch_ / "adapter");
    fs::create_directories(scratch_ / "model");
    fs::create_directories(scratch_ / "elsewhere");
    io::put(scratch_ / "model" / "config.json", "{}");
    before_ = fs::current_path();
    fs::current_path(scratch_.path());
  }
  ~BaseModel() override { fs::current_path(before_); }
  BaseModel(const BaseModel&) = delete;
  BaseModel& operator=(const BaseModel&) = delete;

  void name(const std::string& base) {
    PeftConfig config;
    config.target_modules.names = {"q_proj"};
    config.base_model_name_or_path = base;
    save_peft_config(scratch_ / "adapter", config);
  }

  io::ScratchFolder scratch_;
  fs::path before_;
};

TEST_F(BaseModel, CountsFromTheCurrentFolderOrTheAdaptersOrIsAbsolute) {
  name("model");
  EXPECT_EQ(base_model_of("adapter"), "model");
  name("../model");
  EXPECT_EQ(base_model_of("adapter"), "adapter/../model");
  fs::current_path(scratch_ / "elsewhere");
  EXPECT_EQ(base_model_of("../adapter"), "../model");
  fs::current_path("/");
  EXPECT_EQ(base_model_of(scratch_ / "adapter"), scratch_ / "adapter" / "../model");
  name((scratch_ / "model").string());
  EXPECT_EQ(base_model_of(scratch_ / "adapter"), scratch_ / "model");
}

TEST_F(BaseModel, ThatIsNotThereIsAnErrorWithTheRemedy) {
  name("meta-llama/Llama-3.2-1B");
  EXPECT_EQ(
      io::error_of([] { base_model_of("adapter"); }),
      "[load] adapter/adapter_config.json: field \"base_model_name_or_path\": found "
      "\"meta-llama/Llama-3.2-1B\", which is no model folder here or from the adapter's folder; expected "
      "--model DIR");
  name("");
  EXPECT_EQ(io::error_of([] { base_model_of("adapter"); }),
            "[load] adapter/adapter_config.json: field \"base_model_name_or_path\": found no model; expected "
            "--model DIR");
}

}  // namespace
}  // namespace lorry::model
