#include "kafka/admin.h"

#include <array>
#include <cstdlib>
#include <limits>
#include <thread>

#include <fmt/format.h>

#include "kafka/client.h"
#include "kafka/requests.h"

namespace weir {
namespace {

using OptionsPtr =
    std::unique_ptr<rd_kafka_AdminOptions_t, Destroyer<rd_kafka_AdminOptions_destroy>>;
using NewTopicPtr = std::unique_ptr<rd_kafka_NewTopic_t, Destroyer<rd_kafka_NewTopic_destroy>>;

OptionsPtr options_for(const Client& client, rd_kafka_admin_op_t operation,
                       std::chrono::milliseconds wait_max) {
  std::array<char, 256> why{};
  OptionsPtr options(rd_kafka_AdminOptions_new(client.get(), operation));
  rd_kafka_AdminOptions_set_request_timeout(options.get(), to_ms(wait_max), why.data(), why.size());
  rd_kafka_AdminOptions_set_operation_timeout(options.get(), to_ms(wait_max), why.data(),
                                              why.size());
  return options;
}

Status failure_of_topic(const Client& client, const rd_kafka_topic_result_t& result,
                        std::string_view doing) {
  const char* why = rd_kafka_topic_result_error_string(&result);
  const std::string text = fmt::format(
      "{} topic {}: {}", doing, rd_kafka_topic_result_name(&result), why == nullptr ? "" : why);
  const rd_kafka_resp_err_t code = rd_kafka_topic_result_error(&result);
  const Status failure = failure_of(client, code, text);
  const bool may_pass = code == RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT ||
                        code == RD_KAFKA_RESP_ERR_NOT_CONTROLLER ||
                        code == RD_KAFKA_RESP_ERR__TIMED_OUT;
  return failure.remedy() == Remedy::retry && !may_pass ? Status::stop(ExitCode::config, text)
                                                        : failure;
}

Result<MetadataPtr> metadata(const Client& client, int all_topics,
                             std::chrono::milliseconds wait_max, std::string_view doing) {
  const rd_kafka_metadata_t* raw = nullptr;
  const rd_kafka_resp_err_t code =
      rd_kafka_metadata(client.get(), all_topics, nullptr, &raw, to_ms(wait_max));
  return code == RD_KAFKA_RESP_ERR_NO_ERROR ? Result<MetadataPtr>(MetadataPtr(raw))
                                            : failure_of(client, code, doing);
}

std::int64_t number(const TopicDescription& description, const char* name) {
  const auto found = description.configs.find(name);
  return found == description.configs.end() ? 0 : std::strtoll(found->second.c_str(), nullptr, 10);
}

}  // namespace

TopicFacts facts_of(const TopicDescription& description) {
  const auto text = [&](const char* name) {
    const auto found = description.configs.find(name);
    return found == description.configs.end() ? std::string() : found->second;
  };
  TopicFacts facts;
  facts.has_broker_timestamps = text("message.timestamp.type") == "LogAppendTime";
  const std::string ahead = text("message.timestamp.after.max.ms");
  if (!ahead.empty() && ahead != std::to_string(std::numeric_limits<std::int64_t>::max())) {
    facts.ahead_ms_max = std::strtoll(ahead.c_str(), nullptr, 10);
  }
  facts.is_compacted = text("cleanup.policy").find("compact") != std::string::npos;
  if (const std::string kept = text("retention.ms"); !kept.empty() && kept[0] != '-') {
    facts.retention_ms = std::strtoll(kept.c_str(), nullptr, 10);
  }
  facts.record_bytes_max = number(description, "max.message.bytes");
  return facts;
}

std::string configure_command(std::string_view bootstrap, std::string_view topic,
                              std::string_view settings) {
  return fmt::format(
      "kafka-configs.sh --bootstrap-server {} --alter --entity-type topics --entity-name {} "
      "--add-config {}",
      bootstrap, topic, settings);
}

KafkaAdmin::KafkaAdmin(ClusterSettings settings) : settings_(std::move(settings)) {}

KafkaAdmin::~KafkaAdmin() = default;

Status KafkaAdmin::connect() {
  if (!client_) {
    WEIR_TRY_ASSIGN(client_, Client::make(RD_KAFKA_PRODUCER, settings_, {}));
  }
  return Status::ok();
}

Result<std::int32_t> KafkaAdmin::brokers() {
  WEIR_TRY(connect());
  WEIR_TRY_ASSIGN(const MetadataPtr found,
                  metadata(*client_, 0, settings_.request_wait_max, "asking for the brokers"));
  return found->broker_cnt;
}

Result<std::vector<std::string>> KafkaAdmin::topics() {
  WEIR_TRY(connect());
  WEIR_TRY_ASSIGN(const MetadataPtr found,
                  metadata(*client_, 1, settings_.request_wait_max, "asking for all topics"));
  std::vector<std::string> names;
  for (const rd_kafka_metadata_topic_t& topic :
       std::span(found->topics, static_cast<std::size_t>(found->topic_cnt))) {
    if (const std::string_view name = topic.topic; !name.starts_with("__")) {
      names.emplace_back(name);
    }
  }
  return names;
}

// The shape first: its answer names the controller, to which librdkafka sends the question for the
// settings. It would ask one that is dead for ever, and KRaft names a dead broker until it's
// fenced.
Result<std::optional<TopicDescription>> KafkaAdmin::describe(const std::string& topic) {
  WEIR_TRY(connect());
  WEIR_TRY_ASSIGN(const std::optional<TopicShape> shape,
                  find_topic_shape(*client_, topic, settings_.request_wait_max));
  if (!shape) {
    return std::optional<TopicDescription>();
  }
  WEIR_TRY_ASSIGN(std::optional<TopicConfigs> configs,
                  topic_configs(*client_, topic, settings_.request_wait_max));
  if (!configs) {
    return std::optional<TopicDescription>();
  }
  return std::optional(TopicDescription{shape->partitions, shape->replicas, *std::move(configs)});
}

Status KafkaAdmin::create(std::span<const NewTopic> topics) {
  WEIR_TRY(connect());
  if (topics.empty()) {
    return Status::ok();
  }
  std::vector<NewTopicPtr> made;
  std::vector<rd_kafka_NewTopic_t*> raw;
  std::array<char, 512> why{};
  for (const NewTopic& topic : topics) {
    NewTopicPtr one(rd_kafka_NewTopic_new(topic.name.c_str(), topic.partitions, topic.replicas,
                                          why.data(), why.size()));
    if (!one) {
      return Status::stop(ExitCode::config,
                          fmt::format("creating topic {}: {}", topic.name, why.data()));
    }
    for (const auto& [name, value] : topic.configs) {
      rd_kafka_NewTopic_set_config(one.get(), name.c_str(), value.c_str());
    }
    raw.push_back(made.emplace_back(std::move(one)).get());
  }
  const OptionsPtr options =
      options_for(*client_, RD_KAFKA_ADMIN_OP_CREATETOPICS, settings_.request_wait_max);
  const QueuePtr queue(rd_kafka_queue_new(client_->get()));
  rd_kafka_CreateTopics(client_->get(), raw.data(), raw.size(), options.get(), queue.get());
  const EventPtr event(rd_kafka_queue_poll(queue.get(), to_ms(settings_.request_wait_max) + 1000));
  const rd_kafka_resp_err_t code =
      event ? rd_kafka_event_error(event.get()) : RD_KAFKA_RESP_ERR__TIMED_OUT;
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return failure_of(*client_, code, "creating topics");
  }
  size_t count = 0;
  const rd_kafka_topic_result_t** results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
  for (size_t i = 0; i < count; ++i) {
    if (rd_kafka_topic_result_error(results[i]) != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return failure_of_topic(*client_, *results[i], "creating");
    }
  }
  for (const NewTopic& topic : topics) {
    WEIR_TRY(wait_until_known(topic.name));
  }
  return Status::ok();
}

// A topic is created before every broker knows it (3.9: some ms), and who asks then is told that it
// is missing.
Status KafkaAdmin::wait_until_known(const std::string& topic) {
  const auto deadline = std::chrono::steady_clock::now() + settings_.request_wait_max;
  for (;;) {
    const Result<std::optional<TopicDescription>> found = describe(topic);
    if (found.is_ok() && found.value()) {
      return Status::ok();
    }
    if (std::chrono::steady_clock::now() > deadline) {
      return Status::stop(
          ExitCode::temporary,
          fmt::format("topic {} was created, but the brokers don't know it yet", topic));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

Status KafkaAdmin::remove(const std::string& topic) {
  WEIR_TRY(connect());
  rd_kafka_DeleteTopic_t* raw = rd_kafka_DeleteTopic_new(topic.c_str());
  const OptionsPtr options =
      options_for(*client_, RD_KAFKA_ADMIN_OP_DELETETOPICS, settings_.request_wait_max);
  const QueuePtr queue(rd_kafka_queue_new(client_->get()));
  rd_kafka_DeleteTopics(client_->get(), &raw, 1, options.get(), queue.get());
  rd_kafka_DeleteTopic_destroy(raw);
  const EventPtr event(rd_kafka_queue_poll(queue.get(), to_ms(settings_.request_wait_max) + 1000));
  const rd_kafka_resp_err_t code =
      event ? rd_kafka_event_error(event.get()) : RD_KAFKA_RESP_ERR__TIMED_OUT;
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return failure_of(*client_, code, "deleting topic " + topic);
  }
  size_t count = 0;
  const rd_kafka_topic_result_t** results =
      rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event.get()), &count);
  if (count == 1 && rd_kafka_topic_result_error(results[0]) != RD_KAFKA_RESP_ERR_NO_ERROR &&
      rd_kafka_topic_result_error(results[0]) != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
    return failure_of_topic(*client_, *results[0], "deleting");
  }
  return Status::ok();
}

}  // namespace weir
