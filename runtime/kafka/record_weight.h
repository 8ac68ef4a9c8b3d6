// What a record weighs against its topic's max.message.bytes. Private to this folder.
#pragma once

#include <cstddef>
#include <optional>

#include "loop/io.h"

namespace weir {

// At least what batch_weight says, and cheap.
std::size_t most_weight(const OutRecord& record);

// The bytes of a batch that holds `record` alone, as the client sends it and the broker weighs it:
// record batch v2 of Kafka's protocol, its records compressed by lz4 at `lz4_level` where that
// makes them fewer bytes (nullopt: never), as librdkafka's rd_kafka_lz4_compress does.
std::size_t batch_weight(const OutRecord& record, std::optional<int> lz4_level);

}  // namespace weir
