// What must be true of the cluster's topics before a lane may start.
#pragma once

#include "assembly/lane_plan.h"
#include "config/deployment.h"
#include "kafka/admin.h"

namespace weir {

// Ok; retry when the cluster doesn't answer; stop(config) that names the topic and the command that
// mends it, when one is missing, can't be deduplicated, or an output has another partition count
// than its input.
Status check_topics(const config::Deployment& deployment, const LanePlan& plan, KafkaAdmin& admin);

// The part without the cluster: one input as it is described.
Status check_input_topic(const config::Input& input, const TopicDescription& topic);

}  // namespace weir
