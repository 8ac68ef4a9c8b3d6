// Which topics deployments need and how those have to be set. Pure: what exists is given.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/deployment.h"
#include "kafka/admin.h"
#include "weir/status.h"

namespace weir {

enum class TopicRole {
  raw,           // written from outside: the broker stamps it, it is kept for ever
  derived,       // written by a stage, under the keys, partitions and times of its input
  root,          // written by a stage under keys of its own: stamped by the broker again
  dead_letters,  // as derived, with room for the headers
};

std::string_view name_of(TopicRole role);

// How a topic that is there differs from what would have been created.
struct TopicDifference {
  std::string setting;
  std::string is;
  std::string should;
  bool matters = false;  // false: it can be lived with
};

struct PlannedTopic {
  NewTopic wanted;
  TopicRole role = TopicRole::raw;
  std::string deployment;            // the first that needs it
  std::string writer;                // of the given deployments; empty: none
  std::vector<std::string> readers;  // of them
  bool exists = false;
  std::int32_t partitions = 0;  // as there are, or will be
  std::int32_t replicas = 0;
  std::vector<TopicDifference> differences;
  // Why a stage would refuse it as its input, and what mends it; empty: it wouldn't.
  std::string refusal;

  bool is_wrong() const;

  // The command that mends what can be mended in place without deleting a record, with what comes
  // of leaving it; empty: nothing can.
  std::string remedy(const std::string& bootstrap) const;
};

struct TopicWishes {
  std::optional<std::int32_t> partitions;  // of new raw topics and roots
  std::int32_t brokers = 1;
  std::string bootstrap;  // where they are, for the commands that mend a topic
};

// Of an input that is about to be created: the topic among `existing` that was meant, most likely,
// as one part between dots is a slip of that one's and the others are the same. Empty: none.
// No slip is another number, nor another part of one or two characters.
std::string_view slip_of(const std::string& topic, std::span<const std::string> existing);

using KnownTopics = std::map<std::string, TopicDescription>;

// Every topic that the deployments name.
std::set<std::string> topics_of(std::span<const config::Deployment> deployments);

// The topics in the order in which they follow from each other. `existing`: those of topics_of that
// are there. Fails with stop(config) where an input is neither there nor an output of a given
// deployment, or a file asks for an output that is kept for a shorter time than an input.
Result<std::vector<PlannedTopic>> plan_topics(std::span<const config::Deployment> deployments,
                                              const KnownTopics& existing,
                                              const TopicWishes& wishes);

}  // namespace weir
