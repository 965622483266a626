// core/freed_memory.hpp: what becomes of memory that the program has let go.
#pragma once

namespace lorry {

/// Blocks of 128 KiB and more go back to the system as soon as they are freed. By itself glibc keeps ever
/// larger ones in its heap, where matrices that grow from batch to batch leave holes: 100 MiB at 8192 tokens
/// of width 256. For the start of a program.
void return_large_blocks();

}  // namespace lorry
