#include "loop/dead_letter.h"

#include <array>
#include <utility>

#include "dedup/stream_time.h"
#include "weir/headers.h"

namespace weir {

OutRecord DeadLetters::make(const RawRecord& record, StreamTime time, std::string_view reason,
                            std::string_view message) {
  constexpr std::size_t kMessageBytesMax = 4096;
  const std::array<std::pair<std::string_view, std::string>, 8> own{{
      {kReasonHeader, std::string(reason)},
      {kMessageHeader, std::string(message.substr(0, kMessageBytesMax))},
      {kTopicHeader, settings_.inputs[record.where.input.value()].topic},
      {kPartitionHeader, std::to_string(record.where.partition.value())},
      {kOffsetHeader, std::to_string(record.offset.value())},
      {kTimestampHeader, std::to_string(record.timestamp.value())},
      {kStageHeader, settings_.deployment},
      {kVersionHeader, std::to_string(settings_.version)},
  }};
  auto letter = std::make_unique<Letter>();
  for (const Header& header : record.headers) {
    if (is_of_the_record(header)) {
      letter->headers.push_back(header);
    }
  }
  letter->texts.reserve(own.size());
  for (const auto& [name, value] : own) {
    letter->headers.push_back({name, letter->texts.emplace_back(value)});
  }
  OutRecord out;
  out.output = settings_.dead_letters();
  out.partition = record.where.partition;
  out.timestamp = derived_timestamp(time);
  out.key = record.key;
  out.value = record.value;
  out.headers = letter->headers;
  out.origin = {record.where, record.offset};
  letters_.push_back(std::move(letter));
  return out;
}

}  // namespace weir
