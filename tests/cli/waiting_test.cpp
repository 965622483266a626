// How the program's threads wait: OpenMP itself prints the setting that it found.
#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>
#include <string>

#include "cli/program.hpp"

namespace lorry::cli {
namespace {

/// Sets a variable of the environment, or removes it, for as long as it lives.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    value != nullptr ? ::setenv(name, value, 1) : ::unsetenv(name);
  }
  ~Variable() { before_ ? ::setenv(name_, before_->c_str(), 1) : ::unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

/// What the last start of the program said.
std::string settings() {
  const std::string err = run_lorry({"--version"}).err;
  const std::size_t last = err.rfind("OPENMP DISPLAY ENVIRONMENT BEGIN");
  return last == std::string::npos ? err : err.substr(last);
}

TEST(Waiting, ThreadsSleepUnlessTheUserSaysOtherwise) {
  const Variable shown("OMP_DISPLAY_ENV", "VERBOSE");
  const Variable policy("OMP_WAIT_POLICY", nullptr);
  {
    const Variable count("GOMP_SPINCOUNT", nullptr);
    EXPECT_NE(settings().find("GOMP_SPINCOUNT = '1000'"), std::string::npos) << settings();
  }
  const Variable count("GOMP_SPINCOUNT", "77");
  EXPECT_NE(settings().find("GOMP_SPINCOUNT = '77'"), std::string::npos) << settings();
}

}  // namespace
}  // namespace lorry::cli
