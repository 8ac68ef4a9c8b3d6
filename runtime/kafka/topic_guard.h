// Tells a topic from another that was created under the same name.
//
// The client doesn't notice when a topic is deleted and created anew in quick succession: it goes
// on at its offset and skips what the new topic holds before. Brokers give every topic an id, which
// librdkafka 2.0.2 can't ask for, so this speaks the one request itself: Metadata, version 12, over
// a connection of its own (broker_connection.h).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "kafka/broker_connection.h"
#include "kafka/client_settings.h"
#include "loop/io.h"
#include "weir/status.h"

namespace weir {

class Client;

struct TopicId {
  std::string cluster_id;
  std::string topic_id;  // as Kafka's tools print it; empty: the broker can't be asked
};

// False when the cluster is spoken to in a way that only librdkafka knows (broker_login.h): then
// only a topic's partition count, offsets and stream time tell it from another.
bool may_ask_topic_id(const ClusterSettings& cluster);

// One thread.
//
// Asks only what librdkafka doesn't, and after it was answered: credentials that are wrong, and a
// certificate that isn't trusted, are its to report. So a broker that is reached and with which
// TLS, SASL or the request itself then fails hardly has its configuration to blame, and a
// deployment that librdkafka can run must not wait for ever for this connection. The first such
// failures are Remedy::retry, as they pass with a broker that was about to end. From the third in a
// row on ids are empty, which nobody compares, until one is told again; the settings' log hears of
// it once, with the step that failed.
class TopicGuard {
 public:
  explicit TopicGuard(const ClusterSettings& cluster);

  // Empty ids unless may_ask_topic_id(). Remedy::retry when no broker can be reached or answers in
  // time; in plain text also when it can't be understood (as those before 3.1 can't). stop(config)
  // when there is no such topic.
  Result<TopicId> topic_id(const std::string& topic);

  // Asks `client` for what it knows, topic_id() for the rest; fails as those do.
  Result<TopicIdentity> identity(const Client& client, const std::string& topic);

 private:
  Result<TopicId> ask(const std::string& topic);

  const ClusterSettings cluster_;
  std::optional<BrokerConnector> brokers_;  // nullopt: they can't be asked
  int refusals_ = 0;                        // in a row
};

// The two halves of the question, without the connection. `request` is a whole frame, `answer` one
// without its length. A hostile answer is Remedy::retry.
std::string topic_id_request(std::string_view client_id, std::string_view topic);
Result<TopicId> parse_topic_id(std::string_view answer, std::string_view topic);

}  // namespace weir
