// core/idle_threads.hpp: how OpenMP's threads wait for one another.
#pragma once

namespace lorry {

/// Makes the threads of this program sleep after a few microseconds without work. GNU's OpenMP spins for
/// milliseconds otherwise: no faster where the machine is free, but beside other busy programs each waiting
/// thread takes the processor from the one that it waits for (8 steps of the demo, 2 threads, load 10: 45 s,
/// and 9 s with this).
///
/// OpenMP reads its settings before main: the program starts once more with GOMP_SPINCOUNT set. For the first
/// line of main; `arguments` is argv. Does nothing where OMP_WAIT_POLICY or GOMP_SPINCOUNT is set, and goes
/// on as it is where the program cannot be started again.
void let_idle_threads_sleep(char** arguments);

}  // namespace lorry
