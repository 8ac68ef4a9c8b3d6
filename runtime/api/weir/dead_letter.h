// What makes a dead letter of a record: the headers that it carries behind the record's own. Key
// and value are the record's.
#pragma once

#include <cstdint>
#include <string_view>

namespace weir {

inline constexpr std::string_view kReasonHeader = "weir-reason";    // a word of a small set
inline constexpr std::string_view kMessageHeader = "weir-message";  // the same for people
// The record's place and Kafka's timestamp.
inline constexpr std::string_view kTopicHeader = "weir-topic";
inline constexpr std::string_view kPartitionHeader = "weir-partition";
inline constexpr std::string_view kOffsetHeader = "weir-offset";
inline constexpr std::string_view kTimestampHeader = "weir-timestamp";
// The deployment that set it aside, and its version.
inline constexpr std::string_view kStageHeader = "weir-stage";
inline constexpr std::string_view kVersionHeader = "weir-version";

// What a topic of dead letters allows for headers, over the largest value.
inline constexpr std::int64_t kDeadLetterHeaderBytesMax = 64 << 10;

}  // namespace weir
