// What tells a topic from another one of the same name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "weir/status.h"

namespace weir {

// To bind local state, committed offsets and the end of a batch to the topic.
struct TopicIdentity {
  std::string cluster_id;
  std::string topic;
  std::string topic_id;  // empty where the broker can't be asked
  std::int32_t partitions = 0;
};

// What a person does about an input, or an output, that is another one by now: ends a message.
inline constexpr std::string_view kInputWayOut =
    ". What the group committed belongs to the topic as it was; deploy a new version (raise "
    "`version:`), which reads the topic as it is by `start`, and move its readers";
inline constexpr std::string_view kOutputWayOut =
    ". What was committed belongs to the topic as it was; deploy a new version (raise `version:`), "
    "which writes all of it again, and move its readers";

// Begins with " had": behind the topic's name.
std::string partitions_changed(std::int32_t before, std::int32_t now);

// bad_input where `now` isn't the topic that `before` was, or has other partitions, with both and
// `way_out`. An id that isn't known is that of any.
Status check_same(const TopicIdentity& before, const TopicIdentity& now, std::string_view way_out);

}  // namespace weir
