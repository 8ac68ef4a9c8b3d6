// The headers that are weir's own. No record's own headers of these names pass to an output.
#pragma once

#include <cstdint>
#include <string_view>

#include "weir/record.h"

namespace weir {

// Headers whose names begin so are weir's own.
inline constexpr std::string_view kOwnHeaderPrefix = "weir-";

// On a retried dead letter: how often it was retried. Part of its dedup key, so that it isn't taken
// for a duplicate of itself. The one header of ours that a dead letter takes over.
inline constexpr std::string_view kRetryHeader = "weir-retry";

// What makes a dead letter of a record, behind the record's headers. Key and value are the
// record's.
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

inline bool is_own_header(const Header& header) {
  return header.name.starts_with(kOwnHeaderPrefix);
}

// Of a dead letter: a header of the record that it was made of.
inline bool is_of_the_record(const Header& header) {
  return !is_own_header(header) || header.name == kRetryHeader;
}

}  // namespace weir
