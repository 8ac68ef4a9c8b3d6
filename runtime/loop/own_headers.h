// Headers of weir's own, and what is passed on from an input record to its outputs.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "loop/io.h"

namespace weir {

// Headers whose names begin so are weir's own.
inline constexpr std::string_view kOwnHeaderPrefix = "weir-";
// On a retried dead letter: how often it was retried. Part of its dedup key, so that it isn't taken
// for a duplicate of itself. The one header of ours that a dead letter takes over.
inline constexpr std::string_view kRetryHeader = "weir-retry";

inline bool is_own_header(const Header& header) {
  return header.name.starts_with(kOwnHeaderPrefix);
}

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
