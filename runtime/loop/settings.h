// What one lane is: a value, so that a process can run several, of different versions, side by
// side.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <google/protobuf/descriptor.h>

#include "dedup/seen_index.h"
#include "loop/commit_metadata.h"
#include "loop/io.h"
#include "loop/limits.h"
#include "loop/offsets_left.h"
#include "weir/out.h"

namespace weir {

// Where a group that never committed anything begins.
struct Start {
  enum class Kind { earliest, latest, timestamp };

  Kind kind = Kind::earliest;
  Timestamp timestamp;  // of kind timestamp: the first record stamped at or after it
};

struct InputSettings {
  std::string name;   // in the stage's spec
  std::string topic;  // as Kafka spells it
  // Type of the decoded message; nullptr: the value passes as bytes.
  const google::protobuf::Descriptor* descriptor = nullptr;
  std::optional<DedupWindow> dedup;  // nullopt: off
  // The stage says what makes two records the same; otherwise the codec's declared key does.
  bool key_in_code = false;
  // How a record without a key fares: true: it passes, not deduplicated; false: dead letter.
  bool pass_without_key = false;
  std::string key_rule;  // part of the state's identity: another rule, another index
  Start start;

  DedupRule dedup_rule() const { return {dedup, dedup ? key_rule : ""}; }
};

struct LaneSettings {
  std::string deployment;
  std::int32_t version = 1;
  std::string group;
  std::vector<InputSettings> inputs;
  // OutputIndex i is outputs[i]; the dead letters' is outputs.size().
  std::vector<OutputPort> outputs;
  // In each partition, the first record stamped at or after it and all that follow stay unread.
  std::optional<Timestamp> until;
  // By topic and partition: offsets that a person set and answers for. Where dedup is off, one that
  // wasn't committed by weir is gone on from if it is this one, and the first that a lane of this
  // process finds of its partition. Nobody can know what lies before it.
  std::map<std::pair<std::string, std::int32_t>, NextOffset> trusted_offsets;
  // Shared by the lanes of a process; null: the lane is alone.
  std::shared_ptr<OffsetsLeft> left_at;
  Limits limits;

  OutputIndex dead_letters() const {
    return OutputIndex(static_cast<std::uint16_t>(outputs.size()));
  }
};

}  // namespace weir
