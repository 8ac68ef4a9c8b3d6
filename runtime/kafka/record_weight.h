// What a record weighs against its topic's max.message.bytes. Private to this folder.
#pragma once

#include <cstddef>
#include <optional>

#include "loop/io.h"

namespace weir {

// The bytes of a batch that holds `record` alone, as the broker weighs it (record batch v2, as
// sent: compressed by lz4 at `lz4_level` where that makes it smaller; nullopt: never compressed).
// Never more than the client will send; less by 1 % and 1 KiB at most, for a record longer than
// that: its few bytes before the value move the borders of lz4's blocks.
std::size_t least_weight(const OutRecord& record, std::optional<int> lz4_level);

}  // namespace weir
