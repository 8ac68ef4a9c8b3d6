// What is committed with each offset: all that a lane needs which comes to it without its disk.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dedup/seen_index.h"
#include "weir/record.h"

namespace weir {

// What makes a record a duplicate. Offsets and state go with one rule only.
struct DedupRule {
  std::optional<DedupWindow> window;  // nullopt: off
  std::string key;                    // how keys are made; empty when off

  // In words, for messages.
  std::string text() const;

  friend bool operator==(const DedupRule&, const DedupRule&) = default;
};

// An output's topic when an offset was committed.
struct WrittenTopic {
  std::string output;    // its name in the stage's spec: letters, digits, '_', '-', '.'
  std::string topic_id;  // empty where it can't be asked for
  std::int32_t partitions = 0;

  friend bool operator==(const WrittenTopic&, const WrittenTopic&) = default;
};

struct CommitMetadata {
  NextOffset rebuild_from;  // r: the first offset of the oldest bucket live there
  StreamTime time;          // T at the committed offset
  std::string input_id;     // the input's topic; empty where it can't be asked for, or wasn't
  std::vector<WrittenTopic> outputs;
  DedupRule rule;  // what r and the index are worth

  // The stored format. Kafka allows it 4,096 bytes.
  std::string print() const;
  // nullopt when somebody else than weir committed.
  static std::optional<CommitMetadata> parse(std::string_view text);
};

}  // namespace weir
