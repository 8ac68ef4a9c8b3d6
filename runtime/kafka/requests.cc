#include "kafka/requests.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "text/words.h"

namespace weir {

namespace {

// A connection that ended while we said who we are. What the listener offers instead is told apart
// by `trouble` alone, librdkafka's words: to the program it is one error.
Status refused_login(const std::string& bootstrap, std::string_view trouble,
                     std::string_view text) {
  constexpr std::string_view kHasNoSasl = "Request not valid in current SASL state";
  constexpr std::string_view kHasOtherMechanisms = "Unsupported SASL mechanism";
  if (trouble.find(kHasNoSasl) != trouble.npos) {
    return Status::stop(
        ExitCode::config,
        fmt::format("bootstrap.servers {} ask for no SASL: name a listener of theirs that does, or "
                    "take security.protocol and sasl.* away: {}",
                    bootstrap, text));
  }
  if (trouble.find(kHasOtherMechanisms) != trouble.npos) {
    return Status::stop(
        ExitCode::config,
        fmt::format("bootstrap.servers {} don't take this sasl.mechanisms: {}", bootstrap, text));
  }
  // Its answer repeats the nonce, which Kafka 4 refuses and Kafka 3 doesn't.
  constexpr int kSaysScramRight = 0x020601ff;
  const bool may_be_the_client =
      rd_kafka_version() < kSaysScramRight && trouble.find("mechanism SCRAM") != trouble.npos;
  return Status::stop(
      ExitCode::unauthorised,
      fmt::format("bootstrap.servers {} refuse the credentials, which are sasl.username and "
                  "sasl.password, or their listener isn't one for security.protocol and "
                  "sasl.mechanisms{}: {}",
                  bootstrap,
                  may_be_the_client ? fmt::format(", or they are Kafka 4, to which librdkafka {} "
                                                  "can't log in by SCRAM: take another mechanism",
                                                  rd_kafka_version_str())
                                    : "",
                  text));
}

}  // namespace

bool is_unreadable(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR__BAD_MSG:
    case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
    case RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED:
    case RD_KAFKA_RESP_ERR__UNDERFLOW:
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
      return true;
    default:
      return false;
  }
}

Status topic_is_missing(std::string_view topic) {
  return Status::stop(
      ExitCode::config,
      fmt::format("there is no topic {} (if it is meant to be new, create it: `{} topics apply "
                  "CONFIG`)",
                  topic, tool_command()));
}

Status topic_is_gone(std::string_view topic) {
  return Status::stop(
      ExitCode::config,
      fmt::format(
          "there is no topic {}. If it was there before, what it held is gone, and with an "
          "input the offsets: then raise `version:` first. After that, or if it is meant to "
          "be new, create it: `{} topics apply CONFIG`",
          topic, tool_command()));
}

Status failure_of(const Client& client, rd_kafka_resp_err_t code, std::string_view doing) {
  // Asked first: it brings the last complaint, too.
  const bool is_refused = client.is_refused();
  const std::string trouble = client.last_trouble();
  std::string text = fmt::format("{}: {}{}", doing, rd_kafka_err2str(code),
                                 trouble.empty() ? "" : fmt::format(" (last: {})", trouble));
  const std::string authority = "ssl.ca.location";
  if (trouble.find("certificate verify failed") != std::string::npos &&
      trouble.find(authority) == std::string::npos) {  // the client says it the first time only
    text += fmt::format("; does {} name who signed the brokers' certificates?", authority);
  }
  switch (code) {
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
      return Status::stop(ExitCode::unauthorised, std::move(text));
    case RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT:
    case RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT:
    case RD_KAFKA_RESP_ERR_INVALID_GROUP_ID:
    case RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
    case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE:
      return Status::stop(ExitCode::config, std::move(text));
    default:
      // Refused credentials are tried on and on: of a question it's only seen that it takes long.
      return is_refused || code == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED ||
                     code == RD_KAFKA_RESP_ERR__AUTHENTICATION
                 ? refused_login(client.bootstrap(), trouble, text)
                 : Status::retry(std::move(text));
  }
}

Result<std::optional<TopicShape>> find_topic_shape(const Client& client, const std::string& topic,
                                                   std::chrono::milliseconds wait_max) {
  const TopicPtr handle(rd_kafka_topic_new(client.get(), topic.c_str(), nullptr));
  if (!handle) {
    return Status::stop(ExitCode::config, fmt::format("\"{}\" is no name for a topic", topic));
  }
  const rd_kafka_metadata_t* raw = nullptr;
  const rd_kafka_resp_err_t code =
      rd_kafka_metadata(client.get(), 0, handle.get(), &raw, to_ms(wait_max));
  const MetadataPtr metadata(raw);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return failure_of(client, code, fmt::format("asking for topic {}", topic));
  }
  if (metadata->topic_cnt != 1) {
    return Status::retry(fmt::format("asking for topic {}: the broker left it out", topic));
  }
  const rd_kafka_metadata_topic_t& found = metadata->topics[0];
  if (found.err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
    return std::optional<TopicShape>();
  }
  if (found.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return failure_of(client, found.err, fmt::format("asking for topic {}", topic));
  }
  if (found.partition_cnt <= 0) {
    return Status::retry(fmt::format("topic {} has no partitions yet", topic));
  }
  TopicShape shape{found.partition_cnt, found.partitions[0].replica_cnt, {}};
  for (const rd_kafka_metadata_broker_t& broker :
       std::span(metadata->brokers, static_cast<std::size_t>(metadata->broker_cnt))) {
    const std::string host = broker.host;
    const bool is_v6 = host.find(':') != std::string::npos;
    shape.brokers.push_back(fmt::format("{}:{}", is_v6 ? "[" + host + "]" : host, broker.port));
  }
  return std::optional(std::move(shape));
}

Result<TopicShape> topic_shape(const Client& client, const std::string& topic,
                               std::chrono::milliseconds wait_max) {
  WEIR_TRY_ASSIGN(const std::optional<TopicShape> found, find_topic_shape(client, topic, wait_max));
  return found ? Result(*found) : topic_is_missing(topic);
}

Result<std::optional<TopicConfigs>> topic_configs(const Client& client, const std::string& topic,
                                                  std::chrono::milliseconds wait_max) {
  const std::string doing = fmt::format("asking for the settings of topic {}", topic);
  std::array<char, 256> why{};
  rd_kafka_AdminOptions_t* options =
      rd_kafka_AdminOptions_new(client.get(), RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
  rd_kafka_AdminOptions_set_request_timeout(options, to_ms(wait_max), why.data(), why.size());
  rd_kafka_ConfigResource_t* resource =
      rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str());
  const QueuePtr queue(rd_kafka_queue_new(client.get()));
  rd_kafka_DescribeConfigs(client.get(), &resource, 1, options, queue.get());
  rd_kafka_ConfigResource_destroy(resource);
  rd_kafka_AdminOptions_destroy(options);

  // The answer comes within the request's own timeout; the second is slack.
  const EventPtr event(rd_kafka_queue_poll(queue.get(), to_ms(wait_max) + 1000));
  if (!event) {
    return failure_of(client, RD_KAFKA_RESP_ERR__TIMED_OUT, doing);
  }
  if (const rd_kafka_resp_err_t code = rd_kafka_event_error(event.get())) {
    return failure_of(client, code, doing);
  }
  const rd_kafka_DescribeConfigs_result_t* result =
      rd_kafka_event_DescribeConfigs_result(event.get());
  size_t count = 0;
  const rd_kafka_ConfigResource_t** resources =
      rd_kafka_DescribeConfigs_result_resources(result, &count);
  if (count != 1) {
    return Status::retry(doing + ": the broker left it out");
  }
  if (const rd_kafka_resp_err_t code = rd_kafka_ConfigResource_error(resources[0])) {
    if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
      return std::optional<TopicConfigs>();
    }
    return failure_of(client, code, doing);
  }
  TopicConfigs configs;
  const rd_kafka_ConfigEntry_t** entries = rd_kafka_ConfigResource_configs(resources[0], &count);
  for (size_t i = 0; i < count; ++i) {
    const char* value = rd_kafka_ConfigEntry_value(entries[i]);
    configs[rd_kafka_ConfigEntry_name(entries[i])] = value == nullptr ? "" : value;
  }
  return std::optional(std::move(configs));
}

Result<std::optional<std::size_t>> message_bytes_max(const Client& client, const std::string& topic,
                                                     std::chrono::milliseconds wait_max) {
  const Result<std::optional<TopicConfigs>> configs = topic_configs(client, topic, wait_max);
  if (!configs.is_ok()) {
    if (configs.status().remedy() == Remedy::retry) {
      return configs.status();
    }
    return std::optional<std::size_t>();
  }
  if (!configs.value() || !configs.value()->contains("max.message.bytes")) {
    return std::optional<std::size_t>();
  }
  return std::optional<std::size_t>(
      std::strtoull(configs.value()->at("max.message.bytes").c_str(), nullptr, 10));
}

std::size_t batch_bytes_max(std::optional<std::size_t> message_bytes_max) {
  constexpr std::size_t kLeast = 1000;
  return std::clamp(message_bytes_max.value_or(kBatchBytesMax), kLeast, kBatchBytesMax);
}

Result<std::unique_ptr<Client>> make_uncommitted_reader(const ClusterSettings& cluster) {
  return Client::make(RD_KAFKA_CONSUMER, cluster, {{"isolation.level", "read_uncommitted"}});
}

Result<NextOffset> log_offset(const Client& client, const std::string& topic, Partition partition,
                              std::int64_t query, std::chrono::milliseconds wait_max) {
  const ListPtr list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_t& asked =
      *rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), partition.value());
  asked.offset = query;
  // Not query_watermark_offsets, whose timeout 2.0.2 doesn't keep.
  rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(client.get(), list.get(), to_ms(wait_max));
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
    code = asked.err;
  }
  const auto doing = [&] {
    return fmt::format("asking for offsets of topic {} partition {}", topic, partition.value());
  };
  if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
      code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION) {
    // Said, too, of a partition that a broker or the client doesn't know yet.
    WEIR_TRY_ASSIGN(const TopicShape shape, topic_shape(client, topic, wait_max));
    return partition.value() < shape.partitions
               ? Status::retry(fmt::format("{}: {}", doing(), rd_kafka_err2str(code)))
               : Status::stop(ExitCode::bad_input, fmt::format("{}: the topic has {} partitions",
                                                               doing(), shape.partitions));
  }
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return failure_of(client, code, doing());
  }
  // No record is stamped so late: -1.
  return query >= 0 && asked.offset < 0
             ? log_offset(client, topic, partition, RD_KAFKA_OFFSET_END, wait_max)
             : NextOffset(asked.offset);
}

void add_offset(rd_kafka_topic_partition_list_t& list, const std::string& topic,
                const OffsetToCommit& offset) {
  rd_kafka_topic_partition_t& added =
      *rd_kafka_topic_partition_list_add(&list, topic.c_str(), offset.where.partition.value());
  added.offset = offset.next.value();
  // The list frees it.
  added.metadata = std::malloc(std::max<std::size_t>(offset.metadata.size(), 1));
  std::memcpy(added.metadata, offset.metadata.data(), offset.metadata.size());
  added.metadata_size = offset.metadata.size();
}

}  // namespace weir
