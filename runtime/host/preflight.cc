#include "host/preflight.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <vector>

#include <fmt/format.h>

namespace weir {

namespace {

// How far ahead a producer may stamp where no window here depends on it, but one downstream may:
// what brokers allow since Kafka 4.0 unless told otherwise.
constexpr std::chrono::milliseconds kAheadMaxWithoutWindow = std::chrono::hours(1);

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

Status check_input_topic(const config::Deployment& deployment, const config::Input& input,
                         const TopicDescription& topic) {
  const TopicFacts facts = facts_of(topic);
  if (facts.is_compacted) {
    return Status::stop(
        ExitCode::config,
        fmt::format("topic {} is compacted: records vanish from its log, so it can't be read again "
                    "to the same result. Use a topic with cleanup.policy=delete",
                    input.topic));
  }
  const bool has_window = input.dedup && input.dedup->window;
  // A root has a clock of its own; other outputs are stamped with the input's stream time.
  const bool passes_time_on =
      std::any_of(deployment.outputs.begin(), deployment.outputs.end(),
                  [](const config::Output& output) { return !output.root; });
  // A versioned topic is written by weir, with the stream time of its root.
  if (!(has_window || passes_time_on) || input.version > 0 || facts.has_broker_timestamps) {
    return Status::ok();
  }
  const std::chrono::milliseconds ahead_max =
      has_window ? *input.dedup->window / input.dedup->buckets : kAheadMaxWithoutWindow;
  if (!facts.ahead_ms_max || *facts.ahead_ms_max > ahead_max.count()) {
    return Status::stop(
        ExitCode::config,
        fmt::format(
            "topic {} takes its producers' timestamps, {} ahead of the broker's clock: one "
            "wrong clock would expire {} early. Mend it with: kafka-configs.sh "
            "--alter --entity-type topics --entity-name {} --add-config "
            "message.timestamp.type=LogAppendTime (or message.timestamp.after.max.ms={}); "
            "or put the stage `route` before this one",
            input.topic,
            facts.ahead_ms_max ? fmt::format("up to {} ms", *facts.ahead_ms_max)
                               : std::string("any time"),
            has_window ? "the dedup window" : "the dedup windows of those who read the outputs",
            input.topic, ahead_max.count()));
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
    WEIR_TRY(check_input_topic(deployment, input, topic));
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
