#include "host/preflight.h"

#include <algorithm>
#include <optional>
#include <vector>

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
  if (!input.dedup || !input.dedup->window || input.version > 0 || facts.has_broker_timestamps) {
    return Status::ok();
  }
  const auto bucket = *input.dedup->window / input.dedup->buckets;
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

Status check_retention(const std::string& topic, std::optional<std::int64_t> kept_ms,
                       const std::string& input, std::optional<std::int64_t> input_kept_ms) {
  if (!kept_ms || (input_kept_ms && *kept_ms >= *input_kept_ms)) {
    return Status::ok();
  }
  const std::string as_long = input_kept_ms ? fmt::to_string(*input_kept_ms) : "-1";
  return Status::stop(
      ExitCode::config,
      fmt::format(
          "topic {} keeps records for {} ms, its input {} {}: its records carry the "
          "input's time, so a replay would be deleted as it is written. Mend it with: "
          "kafka-configs.sh --alter --entity-type topics --entity-name {} --add-config "
          "retention.ms={}",
          topic, *kept_ms, input,
          input_kept_ms ? fmt::format("for {} ms", *input_kept_ms) : std::string("without a limit"),
          topic, as_long));
}

Status check_topics(const config::Deployment& deployment, const LanePlan& plan, KafkaAdmin& admin) {
  std::int32_t partitions_max = 0;
  std::vector<std::optional<std::int64_t>> kept_ms;
  for (const config::Input& input : deployment.inputs) {
    WEIR_TRY_ASSIGN(const TopicDescription topic, describe(deployment, input.topic, admin));
    WEIR_TRY(check_input_topic(input, topic));
    partitions_max = std::max(partitions_max, topic.partitions);
    kept_ms.push_back(facts_of(topic).retention_ms);
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
              "--add-config message.timestamp.type=LogAppendTime (`weir topics apply` creates it "
              "so)",
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
    for (std::size_t input = 0; !rekeys && input < kept_ms.size(); ++input) {
      WEIR_TRY(check_retention(name, facts_of(topic).retention_ms, deployment.inputs[input].topic,
                               kept_ms[input]));
    }
  }
  return Status::ok();
}

}  // namespace weir
