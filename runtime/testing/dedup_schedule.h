// A random life of a seen-index, held against the rule computed naively from the whole log.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "dedup/segment_store.h"

namespace weir {

struct DedupSchedule {
  std::uint64_t seed = 0;
  int records = 120;
  // Called at some crashes, while no store is open, to lose the last writes; may be empty.
  std::function<void(std::size_t writes)> lose_writes;
  // Mutants of the driver: what the loop has to do, left out.
  bool rewinds_clock = true;
  // Compare rebuild_from with the rule too. Without it a wrong one shows only by its consequences.
  bool checks_rebuild_from = true;
};

// What happened, so that a test can tell that it tested something.
struct DedupScheduleCounts {
  int duplicates = 0, expired = 0, aborts = 0, rereads = 0, crashes = 0, behind = 0, disks_lost = 0;
};

// Reads a random log (few keys, keyless records, timestamps that stand, creep, jump, come late or
// are not stamped) through a SeenIndex on `stores` as a lane does: random batches and turns,
// aborts, redeliveries, crashes before and after the index's commit, disks lost and rebuilt from r.
// Empty when each verdict, each time it was given from the committed offset on, was the rule's;
// else what differed first. Leaves the stores wiped.
std::string run_dedup_schedule(const DedupSchedule& schedule, SegmentStores& stores,
                               DedupScheduleCounts& counts);

}  // namespace weir
