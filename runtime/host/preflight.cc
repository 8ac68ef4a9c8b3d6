#include "host/preflight.h"

#include <algorithm>

#include <fmt/format.h>

namespace weir {

namespace {

Result<TopicDescription> describe(const config::Deployment& deployment, const std::string& topic,
                                  KafkaAdmin& admin) {
  WEIR_TRY_ASSIGN(std::optional<TopicDescription> found, admin.describe(topic));
  if (!found) {
    return Status::stop(
        ExitCode::config,
        fmt::format("topic {} doesn't exist; create what {} needs with: weir topics "
                    "apply {}",
                    topic, deployment.id, deployment.file));
  }
  return std::move(*found);
}

}  // namespace

Status check_input_topic(const config::Input& input, const TopicDescription& topic) {
  const TopicFacts facts = facts_of(topic);
  if (facts.is_compacted) {
    return Status::stop(
        ExitCode::config,
        fmt::format("topic {} is compacted: records vanish from its log, so it can't be read again "
                    "to the same result. Use a topic with cleanup.policy=delete",
                    input.topic));
  }
  // A versioned topic is written by weir, with the stream time of its root.
  if (!input.dedup || input.version > 0 || facts.has_broker_timestamps) {
    return Status::ok();
  }
  const auto bucket = input.dedup->window / input.dedup->buckets;
  if (!facts.ahead_ms_max || *facts.ahead_ms_max > bucket.count()) {
    return Status::stop(
        ExitCode::config,
        fmt::format(
            "topic {} takes its producers' timestamps, {} ahead of the broker's clock: one "
            "wrong clock would expire the dedup window early. Mend it with: kafka-configs.sh "
            "--alter --entity-type topics --entity-name {} --add-config "
            "message.timestamp.type=LogAppendTime (or message.timestamp.after.max.ms={}); "
            "or put the stage `route` before this one",
            input.topic,
            facts.ahead_ms_max ? fmt::format("up to {} ms", *facts.ahead_ms_max)
                               : std::string("any time"),
            input.topic, bucket.count()));
  }
  return Status::ok();
}

Status check_topics(const config::Deployment& deployment, const LanePlan& plan, KafkaAdmin& admin) {
  std::int32_t partitions_max = 0;
  for (const config::Input& input : deployment.inputs) {
    WEIR_TRY_ASSIGN(const TopicDescription topic, describe(deployment, input.topic, admin));
    WEIR_TRY(check_input_topic(input, topic));
    partitions_max = std::max(partitions_max, topic.partitions);
  }
  for (std::size_t i = 0; i < plan.output_topics.size(); ++i) {
    const std::string& name = plan.output_topics[i];
    WEIR_TRY_ASSIGN(const TopicDescription topic, describe(deployment, name, admin));
    const bool rekeys = i < plan.settings.outputs.size() && plan.settings.outputs[i].rekeys;
    if (rekeys && !facts_of(topic).has_broker_timestamps) {
      return Status::stop(
          ExitCode::config,
          fmt::format(
              "topic {} is a new root, in an order of its own, so it must carry the broker's "
              "clock: kafka-configs.sh --alter --entity-type topics --entity-name {} "
              "--add-config message.timestamp.type=LogAppendTime (`weir topics apply --root "
              "DATASET` creates it so)",
              name, name));
    }
    if (!rekeys && topic.partitions != partitions_max) {
      return Status::stop(
          ExitCode::config,
          fmt::format(
              "topic {} has {} partitions, but its input has {}: a record goes to the "
              "partition that it came from. Deploy a new version, whose topics `weir topics "
              "apply {}` creates alike",
              name, topic.partitions, partitions_max, deployment.file));
    }
  }
  return Status::ok();
}

}  // namespace weir
