#include "core/idle_threads.hpp"

#include <unistd.h>

#include <cstdlib>

namespace lorry {

void let_idle_threads_sleep(char** arguments) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  if (::setenv("GOMP_SPINCOUNT", "1000", 0) == 0) ::execv("/proc/self/exe", arguments);
}

}  // namespace lorry
