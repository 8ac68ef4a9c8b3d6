// Tells a topic from another that was created under the same name.
//
// The client doesn't notice when a topic is deleted and created anew in quick succession: it goes
// on at its offset and skips what the new topic holds before. Brokers give every topic an id, which
// librdkafka 2.0.2 can't ask for, so this speaks the one request itself: Metadata, version 12, over
// a socket of its own.
#pragma once

#include <string>
#include <string_view>

#include "kafka/client_settings.h"
#include "loop/io.h"
#include "weir/status.h"

namespace weir {

class Client;

struct TopicId {
  std::string cluster_id;
  std::string topic_id;  // as Kafka's tools print it; empty: the broker can't be asked
};

// False when the cluster isn't spoken to in plain text: then only a topic's partition count,
// offsets and stream time tell it from another.
bool may_ask_topic_id(const ClusterSettings& cluster);

// Empty ids unless may_ask_topic_id(). Remedy::retry when no broker answered (as those before 3.1
// won't), stop(config) when there is no such topic.
Result<TopicId> topic_id(const ClusterSettings& cluster, const std::string& topic);

// Asks `client` for what it knows, topic_id() for the rest; fails as those do.
Result<TopicIdentity> topic_identity(const Client& client, const ClusterSettings& cluster,
                                     const std::string& topic);

// The two halves of topic_id, without the socket. `request` is a whole frame, `answer` one without
// its length. A hostile answer is Remedy::retry.
std::string topic_id_request(std::string_view client_id, std::string_view topic);
Result<TopicId> parse_topic_id(std::string_view answer, std::string_view topic);

}  // namespace weir
