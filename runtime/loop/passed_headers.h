// The headers that pass from an input record to its outputs.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "loop/io.h"

namespace weir {

// Picks the headers that the outputs of a batch take over from its records. One thread.
class PassedHeaders {
 public:
  // The record's headers, in order, without weir's own; lives until clear(), and no longer than the
  // record.
  std::span<const Header> of(const RawRecord& record);

  void clear() { copies_.clear(); }

 private:
  std::vector<std::unique_ptr<std::vector<Header>>> copies_;  // of those that lack some
};

}  // namespace weir
