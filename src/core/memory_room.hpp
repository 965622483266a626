// core/memory_room.hpp: what a process may still take where it was told how much in all.
#pragma once
#include <string_view>

#include "core/index.hpp"

namespace lorry {

/// Bytes that this process may take beside what it takes now (mapped pages counted), for its resident memory
/// to stay within `budget`; some are held back for what nothing tells of beforehand. Below zero where it
/// takes more already.
Index memory_room(Index budget);

/// The same, where `least` bytes fit and the process has never taken more than the budget. Else throws
/// OptionError, "[command] --memory-budget: ...", with the least budget that does; `what` says what the bytes
/// are.
Index memory_room_for(std::string_view command, Index budget, Index least, std::string_view what);

}  // namespace lorry
