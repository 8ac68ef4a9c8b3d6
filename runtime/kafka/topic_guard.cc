#include "kafka/topic_guard.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "kafka/client.h"
#include "kafka/protocol_bytes.h"
#include "kafka/requests.h"

namespace weir {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// In a row, until a topic's id counts as unknown: enough for what passes by itself, as a broker
// that is about to end.
constexpr int kRefusalsMax = 3;

// A broker that is down must not use up the time of the next. A login takes several answers.
constexpr milliseconds kBrokerWaitMax{1500};
constexpr milliseconds kLoginWaitMax{3000};

constexpr int kSyslogError = 3;

// Base64 for URLs, without padding: how Kafka prints a UUID.
std::string print_uuid(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    for (count += 8; count >= 6; count -= 6) {
      text.push_back(kDigits[bits >> (count - 6) & 63]);
    }
  }
  if (count > 0) {
    text.push_back(kDigits[bits << (6 - count) & 63]);
  }
  return text;
}

}  // namespace

bool may_ask_topic_id(const ClusterSettings& cluster) {
  return broker_login(cluster.properties).has_value();
}

std::string topic_id_request(std::string_view client_id, std::string_view topic) {
  constexpr std::uint16_t kMetadata = 3;
  std::string body;
  put_varint(body, 0);  // tags
  put_varint(body, 2);  // one topic
  body.append(16, '\0');
  put_varint(body, topic.size() + 1);
  body += topic;
  put_varint(body, 0);
  body.push_back(0);  // creates no topic
  body.push_back(0);  // tells no authorisations
  put_varint(body, 0);
  return request_frame(kMetadata, 12, client_id, body);
}

Result<TopicId> parse_topic_id(std::string_view answer, std::string_view topic) {
  ProtocolReader reader(answer);
  TopicId found;
  bool is_found = false;
  const std::int64_t correlation = reader.number(4);
  reader.tags();
  reader.number(4);  // throttle time
  for (std::uint64_t n = reader.array(); n > 0 && !reader.has_failed(); --n) {
    reader.number(4);
    reader.text();
    reader.number(4);
    reader.text();
    reader.tags();
  }
  found.cluster_id = reader.text();
  reader.number(4);  // controller
  for (std::uint64_t n = reader.array(); n > 0 && !reader.has_failed() && !is_found; --n) {
    const std::int64_t error = reader.number(2);
    const std::string_view name = reader.text();
    const std::string_view id = reader.take(16);
    is_found = !reader.has_failed() && name == topic;
    if (is_found && error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
      return topic_is_missing(topic);
    }
    if (is_found && error != 0) {
      return Status::retry(fmt::format("asking for the id of topic {}: {}", topic,
                                       rd_kafka_err2str(static_cast<rd_kafka_resp_err_t>(error))));
    }
    found.topic_id = print_uuid(id);
  }
  if (reader.has_failed() || correlation != 1 || !is_found) {
    return Status::retry(
        fmt::format("asking for the id of topic {}: no Metadata answer of Kafka's", topic));
  }
  return found;
}

TopicGuard::TopicGuard(const ClusterSettings& cluster) : cluster_(cluster) {
  if (std::optional<BrokerLogin> login = broker_login(cluster.properties)) {
    brokers_.emplace(std::move(*login));
  }
}

Result<TopicId> TopicGuard::topic_id(const std::string& topic) {
  if (!brokers_) {
    return TopicId{};
  }
  Result<TopicId> id = ask(topic);
  const bool is_refused = !id.is_ok() && id.status().remedy() == Remedy::stop &&
                          id.status().exit_code() == ExitCode::unavailable;
  if (!is_refused) {
    const bool is_answered = id.is_ok() || id.status().remedy() != Remedy::retry;
    refusals_ = is_answered ? 0 : refusals_;
    return id;
  }
  // In plain text there is nothing that librdkafka could do better, but put up with an old broker.
  if (brokers_->is_plain_text() || ++refusals_ < kRefusalsMax) {
    return Status::retry(id.status().message());
  }
  if (refusals_ == kRefusalsMax && cluster_.log) {
    cluster_.log(kSyslogError,
                 fmt::format("{}. The client itself is answered, so it goes on: topics are told "
                             "apart by partition count, offsets and stream time only until their "
                             "ids can be asked for",
                             id.status().message()));
  }
  return TopicId{};
}

// stop(unavailable): some broker was reached, and it and we don't understand each other.
Result<TopicId> TopicGuard::ask(const std::string& topic) {
  const std::string doing = fmt::format("asking for the id of topic {}", topic);
  const std::string request = topic_id_request(cluster_.client_id, topic);
  const auto end = steady_clock::now() + cluster_.request_wait_max;
  const milliseconds wait_max = brokers_->is_plain_text() ? kBrokerWaitMax : kLoginWaitMax;
  std::optional<Status> refusal;
  std::string last;
  std::string_view rest = cluster_.bootstrap;
  while (!rest.empty() && steady_clock::now() < end) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view address = rest.substr(0, comma);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    const Result<std::string> answer = brokers_->ask(address, cluster_.client_id, request,
                                                     std::min(end, steady_clock::now() + wait_max));
    if (answer.is_ok()) {
      Result<TopicId> id = parse_topic_id(answer.value(), topic);
      return id.is_ok() || id.status().remedy() != Remedy::retry
                 ? std::move(id)
                 : Status::stop(ExitCode::unavailable, id.status().message());
    }
    last = answer.status().message();
    if (answer.status().remedy() != Remedy::retry) {
      refusal = answer.status();
    }
  }
  return refusal ? refusal->within(doing)
                 : Status::retry(fmt::format("{}: no broker at {} answers{} (Kafka 3.1 or newer is "
                                             "needed)",
                                             doing, cluster_.bootstrap,
                                             last.empty() ? "" : fmt::format(": {}", last)));
}

Result<TopicIdentity> TopicGuard::identity(const Client& client, const std::string& topic) {
  WEIR_TRY_ASSIGN(const std::optional<TopicShape> shape,
                  find_topic_shape(client, topic, cluster_.request_wait_max));
  if (!shape) {
    return topic_is_gone(topic);
  }
  WEIR_TRY_ASSIGN(const TopicId id, topic_id(topic));
  char* cluster_id = rd_kafka_clusterid(client.get(), to_ms(cluster_.request_wait_max));
  if (cluster_id == nullptr) {
    return failure_of(client, RD_KAFKA_RESP_ERR__TIMED_OUT, "asking for the cluster's id");
  }
  TopicIdentity identity{cluster_id, topic, id.topic_id, shape->partitions};
  rd_kafka_mem_free(client.get(), cluster_id);
  return identity;
}

}  // namespace weir
