// A record set aside: its original bytes, key and headers, plus why and where.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "loop/io.h"
#include "loop/settings.h"

namespace weir {

// Builds dead letters of a batch and keeps the bytes that they need. One thread.
class DeadLetters {
 public:
  explicit DeadLetters(const LaneSettings& settings) : settings_(settings) {}

  // The letter for `record`; its views live until clear(). `time` is T at the record.
  OutRecord make(const RawRecord& record, StreamTime time, std::string_view reason,
                 std::string_view message);

  void clear() { letters_.clear(); }

 private:
  struct Letter {
    std::vector<std::string> texts;
    std::vector<Header> headers;
  };

  const LaneSettings& settings_;
  std::vector<std::unique_ptr<Letter>> letters_;
};

}  // namespace weir
