// When a `run --until-end` is done.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "assembly/lane_plan.h"
#include "http/status_page.h"
#include "kafka/client_settings.h"
#include "loop/io.h"

namespace weir {

// How far a group's inputs reached when this looked, behind open transactions, too, and whether the
// group is there by now, and its topics are still those that they were. A batch is done then,
// whoever did it: this process, other instances, or whoever took over from a member that died and
// kept its partitions for its session. That a lane is at its end won't do: while partitions come to
// it, it still says so of those that it had. One thread at a time.
class InputEnds {
 public:
  // `topics` by InputIndex, those of `source`, which has the outputs behind them: of these it tells
  // the identity. Records stamped at or after `until` don't count.
  InputEnds(std::vector<std::string> topics, std::size_t outputs, std::optional<Timestamp> until,
            std::unique_ptr<Source> source)
      : topics_(std::move(topics)), outputs_(outputs), until_(until), source_(std::move(source)) {}

  // Asks Kafka, as no member of the group.
  static InputEnds of(const LanePlan& plan, const ClusterSettings& cluster);

  // Before lanes take partitions: with `until` they stop at what is there when they do, and would
  // never reach an end that was looked at later. One question after the other; the first that the
  // brokers don't answer takes some seconds and is the result, Remedy::retry. Then look again.
  // Before each partition `goes_on` is asked; false: that is the result, Remedy::retry, too.
  Status look(const std::function<bool()>& goes_on = [] { return true; });

  // The partitions that are not committed as far as that, as "topic/partition"; needs a look(). Of
  // those that `lanes` own these know how far they are committed; of the others the brokers are
  // asked, and of the first that is undone, where its log ends by now. That takes some seconds and
  // is Remedy::retry where they don't answer. Fails where nobody would get as far: that log has
  // become shorter than it was (bad_input), or another producer's open transaction blocks a lane
  // (temporary). Where all is committed, fails if an input or an output was created again since the
  // look (bad_input) or is gone (config): the lanes, which ask each half minute, may have missed
  // it.
  Result<std::vector<std::string>> undone(const std::vector<LaneStatus>& lanes);

 private:
  Status check_reached(InputPartition where);
  Result<std::vector<TopicIdentity>> ask_topics();
  Status check_topics();
  const PartitionStatus* find(const std::vector<LaneStatus>& lanes, InputPartition where) const;

  std::vector<std::string> topics_;
  std::size_t outputs_;
  std::optional<Timestamp> until_;
  std::unique_ptr<Source> source_;
  std::map<InputPartition, NextOffset> ends_;
  std::vector<TopicIdentity> identities_;  // inputs, then outputs
};

}  // namespace weir
