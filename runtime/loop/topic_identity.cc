#include "loop/topic_identity.h"

namespace weir {

std::string partitions_changed(std::int32_t before, std::int32_t now) {
  return " had " + std::to_string(before) + " partitions and has " + std::to_string(now) +
         ": equal keys may now lie on different partitions";
}

Status check_same(const TopicIdentity& before, const TopicIdentity& now, std::string_view way_out) {
  const std::string topic = "topic " + before.topic;
  if (!before.topic_id.empty() && !now.topic_id.empty() && now.topic_id != before.topic_id) {
    return Status::stop(ExitCode::bad_input, topic + " was deleted and created again: its id was " +
                                                 before.topic_id + " and is " + now.topic_id +
                                                 std::string(way_out));
  }
  return now.partitions == before.partitions
             ? Status::ok()
             : Status::stop(ExitCode::bad_input,
                            topic + partitions_changed(before.partitions, now.partitions) +
                                std::string(way_out));
}

}  // namespace weir
