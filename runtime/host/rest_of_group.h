// What `run --until-end` has to wait for beside its own lanes.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "assembly/lane_plan.h"
#include "http/status_page.h"
#include "kafka/source.h"

namespace weir {

// The partitions of a group's inputs that this process doesn't own: other instances', or those of a
// member that died and keeps them for its session. A batch is done when they are, whoever did it.
// One thread.
class RestOfGroup {
 public:
  RestOfGroup(const LanePlan& plan, const ClusterSettings& cluster);

  // Those that `lanes` don't own and that are not committed as far as their logs reached when this
  // was first asked, as "topic/partition". Takes some seconds where brokers don't answer, which is
  // Remedy::retry.
  Result<std::vector<std::string>> undone(const std::vector<LaneStatus>& lanes);

 private:
  Status look_at_ends();

  const std::vector<std::string> topics_;
  const std::optional<Timestamp> until_;
  KafkaSource source_;
  std::map<InputPartition, NextOffset> ends_;
};

}  // namespace weir
