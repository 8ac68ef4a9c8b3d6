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

using std::chrono::steady_clock;

// In a row, until a topic's id counts as unknown: enough for what passes by itself, as a broker
// that is about to end.
constexpr int kFailuresMax = 3;

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
    if (is_found && error != 0) {
      return Status::retry(rd_kafka_err2str(static_cast<rd_kafka_resp_err_t>(error)));
    }
    // All zero where the brokers don't give ids yet.
    found.topic_id = id.find_first_not_of('\0') == std::string_view::npos ? "" : print_uuid(id);
  }
  if (reader.has_failed() || correlation != 1 || !is_found) {
    return Status::retry("no Metadata answer of Kafka's");
  }
  return found;
}

TopicGuard::TopicGuard(const ClusterSettings& cluster) : cluster_(cluster) {
  if (std::optional<BrokerLogin> login = broker_login(cluster.properties)) {
    connector_.emplace(std::move(*login));
  }
}

Result<TopicId> TopicGuard::topic_id(const std::string& topic,
                                     const std::vector<std::string>& brokers) {
  const auto begin = steady_clock::now();
  if (!connector_ || begin < quiet_until_) {
    return TopicId{};
  }
  update_addresses(brokers);
  Result<TopicId> id = ask(topic);
  if (id.is_ok()) {
    failures_ = 0;
    if (id.value().topic_id.empty()) {
      say_once(fmt::format("brokers have no id of topic {}: their inter-broker protocol is too old",
                           topic));
    } else {
      is_said_ = false;
    }
    return id;
  }
  if (++failures_ < kFailuresMax) {
    return id;
  }
  say_once(id.status().message());
  const auto end = steady_clock::now();
  quiet_until_ = end + 9 * (end - begin);  // many topics share the lane's time
  return TopicId{};
}

// The order stays, but for what is new: behind the one that answered last, before those that
// failed.
void TopicGuard::update_addresses(const std::vector<std::string>& brokers) {
  std::vector<std::string> named = brokers;
  std::string_view rest = cluster_.bootstrap;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    std::string_view address = rest.substr(0, comma);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    address.remove_prefix(std::min(address.find_first_not_of(' '), address.size()));
    named.emplace_back(address);
  }
  const auto is_in = [](const std::vector<std::string>& list, const std::string& address) {
    return std::find(list.begin(), list.end(), address) != list.end();
  };
  std::erase_if(addresses_, [&](const std::string& address) { return !is_in(named, address); });
  std::size_t at = std::min<std::size_t>(addresses_.size(), 1);
  for (const std::string& address : named) {
    if (!address.empty() && !is_in(addresses_, address)) {
      addresses_.insert(addresses_.begin() + static_cast<std::ptrdiff_t>(at++), address);
    }
  }
}

void TopicGuard::say_once(const std::string& why) {
  if (!is_said_ && cluster_.log) {
    cluster_.log(kSyslogError,
                 fmt::format("{}. The client itself is answered, so it goes on: topics are told "
                             "apart by partition count, offsets and stream time only until their "
                             "ids are known",
                             why));
  }
  is_said_ = true;
}

// Remedy::retry: no broker gave an answer that we understand.
Result<TopicId> TopicGuard::ask(const std::string& topic) {
  const std::string request = topic_id_request(cluster_.client_id, topic);
  const auto end = steady_clock::now() + cluster_.request_wait_max;
  std::string failures;
  const std::vector<std::string> addresses = addresses_;
  for (const std::string& address : addresses) {
    const auto now = steady_clock::now();
    if (now >= end) {
      break;
    }
    // Half, not a like part of it: a login may take seconds, and most of the others aren't needed.
    const auto part = address == addresses.back() ? end - now : (end - now) / 2;
    Status failure;
    const Result<std::string> answer =
        connector_->ask(address, cluster_.client_id, request, now + part);
    if (answer.is_ok()) {
      Result<TopicId> id = parse_topic_id(answer.value(), topic);
      if (id.is_ok()) {
        const auto at = std::find(addresses_.begin(), addresses_.end(), address);
        std::rotate(addresses_.begin(), at, at + 1);
        return id;
      }
      failure = id.status().within(address);
    } else {
      failure = answer.status();
    }
    // Once where it isn't the broker's, as a certificate that can't be read.
    if (failures.find(failure.message()) == std::string::npos) {
      failures += fmt::format("{}{}", failures.empty() ? "" : "; ", failure.message());
    }
    // Whoever had less time than that was hardly asked, and is the sooner asked next time.
    if (part > cluster_.request_wait_max / 3) {
      const auto at = std::find(addresses_.begin(), addresses_.end(), address);
      std::rotate(at, at + 1, addresses_.end());
    }
  }
  return Status::retry(
      fmt::format("asking for the id of topic {}: no broker tells it (Kafka 3.1 or newer is "
                  "needed): {}",
                  topic, failures.empty() ? "none is named" : failures));
}

Result<TopicIdentity> TopicGuard::identity(const Client& client, const std::string& topic) {
  WEIR_TRY_ASSIGN(const std::optional<TopicShape> shape,
                  find_topic_shape(client, topic, cluster_.request_wait_max));
  if (!shape) {
    return topic_is_gone(topic);
  }
  WEIR_TRY_ASSIGN(const TopicId id, topic_id(topic, shape->brokers));
  char* cluster_id = rd_kafka_clusterid(client.get(), to_ms(cluster_.request_wait_max));
  if (cluster_id == nullptr) {
    return failure_of(client, RD_KAFKA_RESP_ERR__TIMED_OUT, "asking for the cluster's id");
  }
  TopicIdentity identity{cluster_id, topic, id.topic_id, shape->partitions};
  rd_kafka_mem_free(client.get(), cluster_id);
  return identity;
}

}  // namespace weir
