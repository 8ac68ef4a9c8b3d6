// Where the lanes of one process were in the partitions that they owned.
#pragma once

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>

#include "loop/io.h"

namespace weir {

// Of each partition the last committed offset that a lane knew of while it owned it. Any thread.
class OffsetsLeft {
 public:
  // nullopt: no lane owned it yet.
  std::optional<NextOffset> find(InputPartition where) const {
    const std::lock_guard hold(mutex_);
    const auto found = offsets_.find(where);
    return found == offsets_.end() ? std::nullopt : std::optional(found->second);
  }

  void set(InputPartition where, NextOffset committed) {
    const std::lock_guard hold(mutex_);
    offsets_.insert_or_assign(where, committed);
  }

 private:
  mutable std::mutex mutex_;
  std::map<InputPartition, NextOffset> offsets_;
};

}  // namespace weir
