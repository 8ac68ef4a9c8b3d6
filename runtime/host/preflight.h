// What must be true of the cluster's topics before a lane may start.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "assembly/lane_plan.h"
#include "config/deployment.h"
#include "kafka/admin.h"

namespace weir {

// Ok; retry when the cluster doesn't answer; stop(config) that names the topic and the command that
// mends it, when one is missing, can't be deduplicated, or an output has another partition count
// or a shorter retention than its input.
Status check_topics(const config::Deployment& deployment, const LanePlan& plan, KafkaAdmin& admin);

// The part without the cluster: one of the deployment's inputs as its topic is described.
Status check_input_topic(const config::Deployment& deployment, const config::Input& input,
                         const TopicDescription& topic);

// And one derived topic against one input: how long each keeps its records, nullopt: for ever.
Status check_retention(const std::string& topic, std::optional<std::int64_t> kept_ms,
                       const std::string& input, std::optional<std::int64_t> input_kept_ms);

}  // namespace weir
