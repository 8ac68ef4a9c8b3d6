// Segment stores without a disk.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "dedup/segment_store.h"

namespace weir {

// The disk of a simulated machine: its stores outlive the objects that open() hands out. A crash is
// to drop those; what they wrote is there at the next open. One thread; outlives what it opened.
class MemoryStores final : public SegmentStores {
 public:
  Result<std::unique_ptr<SegmentStore>> open(const StoreIdentity& identity) override;
  Status wipe(const StoreIdentity& identity) override;

  // A power loss: the last `writes` writes of each store are gone. No store may be open.
  void lose_writes(std::size_t writes);

  // From now on open() says restore for every store there is, until it is wiped.
  void damage();

  // The next write of any store fails with `failure`.
  void fail_next_write(Status failure) { next_->write = std::move(failure); }

  // So does the next open of one that was written to, having found it.
  void fail_next_load(Status failure) { next_->load = std::move(failure); }

  // So does the next find, once `others` went well.
  void fail_next_find(Status failure, int others = 0) {
    next_->find = {std::move(failure), others};
  }

 private:
  struct Disk;

  struct Next {
    Status load;
    Status write;
    std::pair<Status, int> find;
  };

  class Store;

  std::map<std::pair<std::string, std::int32_t>, std::shared_ptr<Disk>> disks_;
  std::shared_ptr<Next> next_ = std::make_shared<Next>();
};

}  // namespace weir
