// The clock of dedup: driven by the log, so that it shows the same time on every reading of it.
#pragma once

#include <algorithm>
#include <cstdint>

#include "weir/record.h"

namespace weir {

// T(o) of one input partition: the running maximum of Kafka's record timestamps up to o. Timestamps
// ≤ 0 are ignored; neither the wall clock nor a time inside a message enters.
//
// The seen-index needs no rollback, but this clock does: a record of an aborted turn that is read
// again must see the time it saw first.
class StreamClock {
 public:
  // `committed` is T at the committed offset.
  explicit StreamClock(StreamTime committed = {}) : committed_(committed), now_(committed) {}

  // T at a record stamped `timestamp`, which follows all records observed so far.
  StreamTime observe(Timestamp timestamp) {
    now_ = StreamTime(std::max(now_.value(), timestamp.value()));
    return now_;
  }

  StreamTime now() const { return now_; }

  // The turn so far is committed.
  void commit() { committed_ = now_; }

  // Back to the committed position.
  void rewind() { now_ = committed_; }

 private:
  StreamTime committed_;
  StreamTime now_;
};

// Kafka's timestamp for what derives from a record at stream time `time`. At least 1: clients take
// 0 for "now", which would not be a function of the log.
inline Timestamp derived_timestamp(StreamTime time) {
  return Timestamp(std::max<std::int64_t>(time.value(), 1));
}

}  // namespace weir
