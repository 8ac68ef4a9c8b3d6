// Tells a topic from another that was created under the same name.
//
// The client doesn't notice when a topic is deleted and created anew in quick succession: it goes
// on at its offset and skips what the new topic holds before. Brokers give every topic an id, which
// librdkafka 2.0.2 can't ask for, so this speaks the one request itself: Metadata, version 12, over
// a connection of its own (broker_connection.h).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kafka/broker_connection.h"
#include "kafka/client_settings.h"
#include "loop/io.h"
#include "weir/status.h"

namespace weir {

class Client;

struct TopicId {
  std::string cluster_id;
  std::string topic_id;  // as Kafka's tools print it; empty: not known
};

// False when the cluster is spoken to in a way that only librdkafka knows (broker_login.h): then
// only a topic's partition count, offsets and stream time tell it from another.
bool may_ask_topic_id(const ClusterSettings& cluster);

// One thread.
//
// Asks only what librdkafka doesn't, and after it was answered: brokers that are down, credentials
// that are wrong, and a certificate that isn't trusted, are its to report. A deployment that
// librdkafka can run must not wait for ever for this connection, whether it is refused, not
// understood or not answered in time. The first such failures are Remedy::retry, as they pass with
// a broker that was about to end. From the third in a row on ids are empty, which nobody compares,
// until one is told again; the settings' log hears of it once, with each address and the step that
// failed. Meanwhile most calls ask nobody: at most a tenth of the time is spent on being kept
// waiting.
class TopicGuard {
 public:
  explicit TopicGuard(const ClusterSettings& cluster);

  // Empty ids unless may_ask_topic_id(), and from brokers that have none, which the log hears of
  // once. Asks the broker that answered last, then `brokers` (HOST:PORT, as the cluster names
  // them), then the bootstrap addresses, until one answers, within about `request_wait_max`; each
  // has half of the time that is left, and one that was silent for long is the last to be asked
  // next time. Remedy::retry as said above, and nothing else: that a topic is missing is
  // librdkafka's to say. A broker that hasn't heard of a new one yet is one that tells no id.
  Result<TopicId> topic_id(const std::string& topic, const std::vector<std::string>& brokers = {});

  // Asks `client` for what it knows, topic_id() for the rest; fails as those do.
  Result<TopicIdentity> identity(const Client& client, const std::string& topic);

 private:
  Result<TopicId> ask(const std::string& topic);
  void update_addresses(const std::vector<std::string>& brokers);
  void say_once(const std::string& why);

  const ClusterSettings cluster_;
  std::optional<BrokerConnector> connector_;  // nullopt: brokers can't be asked
  std::vector<std::string> addresses_;        // in the order in which they are asked
  int failures_ = 0;                          // in a row
  std::chrono::steady_clock::time_point quiet_until_;
  bool is_said_ = false;  // that ids are unknown
};

// The two halves of the question, without the connection. `request` is a whole frame, `answer` one
// without its length. A hostile answer is Remedy::retry, as that of brokers before 3.1.
std::string topic_id_request(std::string_view client_id, std::string_view topic);
Result<TopicId> parse_topic_id(std::string_view answer, std::string_view topic);

}  // namespace weir
